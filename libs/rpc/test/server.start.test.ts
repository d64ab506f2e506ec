import { expect } from 'chai';
import { Health } from '../src/gen/grpc/health/v1/health_pb.ts';
import { createInMemoryTransport, startServer } from '../src/index.ts';
import { createScene, permissiveCheck, recordedTelemetry, startTestServer } from './support/platform.ts';

describe('startServer', () => {
  it('refuses to start when a method does not say who may call it', async () => {
    const options = {
      service: 'test',
      telemetry: recordedTelemetry(),
      host: '127.0.0.1',
      port: 0,
      callerCheck: permissiveCheck,
      dependencies: {},
      reflection: false,
      drainTimeoutMs: 1,
      // A service of somebody else's: its methods carry no option of ours.
      routes: (router: Parameters<Parameters<typeof createInMemoryTransport>[0]['routes']>[0]) => {
        router.service(Health, {});
      },
    };
    const error: unknown = await startServer(options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error)
      .instanceOf(Error)
      .property('message')
      .match(/grpc\.health\.v1\.Health\/Check, .*Health\/Watch/);
    expect(() => createInMemoryTransport(options)).throws('do not declare who may call them');
  });

  it('fails when the port is taken', async () => {
    const server = await startTestServer(createScene());
    const second: unknown = await startTestServer(createScene(), { port: server.port }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(second).property('code', 'EADDRINUSE');
    await server.close();
  });

  it('listens on the addresses of both families when told so', async () => {
    const server = await startTestServer(createScene(), { host: '::' });
    expect(server.url).equal(`http://[::1]:${server.port}`);
    expect((await fetch(`${server.url}/livez`)).status).equal(200);
    expect((await fetch(`http://127.0.0.1:${server.port}/livez`)).status).equal(200);
    await server.close();
  });
});
