import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hasCommand, runCommand, tryCommand } from '../setup/run-command.ts';
import { SetupError } from '../setup/setup-error.ts';

/** Downloads packages from Debian's archive; the paths returned are of files whose signatures apt has checked. */
export interface PrivateApt {
  /** The .deb of a package. */
  downloadBinary(name: string): Promise<string>;
  /** The original source archive of a source package. */
  downloadSource(name: string): Promise<string>;
}

const suite = 'trixie';
const mirror = 'http://deb.debian.org/debian';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const updateTimeoutMs = 300_000;
const downloadTimeoutMs = 120_000;

/**
 * An apt of our own below `dir`: own sources, own state, own cache, none of the system's hooks. It reads nothing of the
 * system's but how to reach the network (proxies), and writes nothing of it. Debian 13 is stable for years, so what it
 * names stays there; the release file's signature vouches for each download. Thrown: SetupError.
 */
export async function createPrivateApt(dir: string, progress: (line: string) => void): Promise<PrivateApt> {
  if (!(await hasCommand('apt-get')) || !(await hasCommand('dpkg'))) {
    throw new SetupError(
      'The headers of Postgres 17 are not installed, and without apt-get they cannot be fetched from Debian.',
    );
  }
  const hasKeyring = await access(keyring).then(
    () => true,
    () => false,
  );
  if (!hasKeyring) {
    throw new SetupError(`Debian's archive keys are missing (${keyring}).`, {
      remedy: 'On Ubuntu: apt-get install debian-archive-keyring',
    });
  }
  const env = { ...process.env, APT_CONFIG: await writeConfiguration(dir), LC_ALL: 'C.UTF-8' };
  progress(`Postgres: reading the package index of Debian ${suite}`);
  await reach(async () => runCommand('apt-get', ['update'], { cwd: dir, env, timeoutMs: updateTimeoutMs }));

  const download = async (args: readonly string[], pattern: RegExp): Promise<string> => {
    await reach(async () => runCommand('apt-get', args, { cwd: dir, env, timeoutMs: downloadTimeoutMs }));
    const file = (await readdir(dir)).find((name) => pattern.test(name));
    if (file === undefined) throw new Error(`apt-get ${args.join(' ')} left no file.`);
    return path.join(dir, file);
  };
  return {
    downloadBinary: async (name) => download(['download', name], new RegExp(`^${name}_.*\\.deb$`)),
    downloadSource: async (name) =>
      download(['source', '--download-only', name], new RegExp(`^${name}_.*\\.orig\\.tar\\.gz$`)),
  };
}

async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new SetupError(
      `The Debian archive (${mirror}) did not give what the embedded Postgres needs. ${(cause as Error).message}`,
      { remedy: 'Is there a network? A proxy is taken from apt’s own configuration or from http_proxy.', cause },
    );
  }
}

async function writeConfiguration(dir: string): Promise<string> {
  for (const folder of ['etc', 'state/lists/partial', 'cache/archives/partial']) {
    await mkdir(path.join(dir, folder), { recursive: true });
  }
  const entry = `[signed-by=${keyring}] ${mirror} ${suite} main`;
  await writeFile(path.join(dir, 'etc/sources.list'), `deb ${entry}\ndeb-src ${entry}\n`);
  await writeFile(path.join(dir, 'status'), '');
  const settings = [
    `Dir::Etc "${dir}/etc";`,
    `Dir::Etc::SourceList "${dir}/etc/sources.list";`,
    `Dir::Etc::SourceParts "/dev/null";`,
    `Dir::State "${dir}/state";`,
    `Dir::State::status "${dir}/status";`,
    `Dir::Cache "${dir}/cache";`,
    // Run by root, apt would fetch as a user who cannot enter this folder.
    'APT::Sandbox::User "root";',
    // Without this a failed download of the index is a warning, and the message that a person reads comes later.
    'APT::Update::Error-Mode "any";',
    'Acquire::Languages "none";',
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "20";',
    ...(await networkSettings()),
  ];
  const file = path.join(dir, 'apt.conf');
  await writeFile(file, `${settings.join('\n')}\n`);
  return file;
}

/** The system's own way to the network: proxies, and what it says about clocks. */
async function networkSettings(): Promise<string[]> {
  const dump = await tryCommand('apt-config', ['dump'], { timeoutMs: 10_000 });
  return dump.stdout
    .split('\n')
    .filter((line) => /^Acquire::(https?::Proxy|Check-Valid-Until|Check-Date)\b/i.test(line));
}
