/**
 * A test double of Amazon Bedrock: its wire, its signatures, its errors and its faults, with no model behind it. The SDK's own
 * clients talk to it unaltered; nothing that runs in production knows of it.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { testAwsRegion } from '../aws.ts';
import { sendError, sendEvents, sendFault, sendJson, type Sending } from './answer.ts';
import { createCallLog, type CallLog, type RunningCall } from './calls.ts';
import {
  checkConverse,
  createPromptCache,
  extractiveAnswer,
  isObject,
  messageOf,
  tokensOf,
  withPromptTokens,
  type PromptCache,
} from './converse.ts';
import { BedrockRefusal, invalid } from './errors.ts';
import { openHttp2Port, type Exchange } from './exchange.ts';
import { createFaultPlan } from './faults.ts';
import { passingGuardrail, rerank } from './rank.ts';
import { routeOf, type Route } from './routes.ts';
import { checkSignature, type SigningCredentials } from './signature.ts';
import { createTitanEmbedding } from './titan.ts';
import type {
  BedrockCall,
  BedrockFault,
  BedrockRequest,
  ConverseEvent,
  ConverseHandler,
  FaultChoice,
  InvokeHandler,
  Json,
  JsonHandler,
} from './types.ts';

export interface BedrockDoubleOptions {
  /** 127.0.0.1 unless told. */
  readonly host?: string;
  /** A free one unless told. */
  readonly port?: number;
  /** That requests have to be signed for; `testAwsRegion` unless told. */
  readonly region?: string;
  /** Whose signatures are good; those of `useTestAwsCredentials` unless told. */
  readonly credentials?: SigningCredentials;
  /** Ids that exist; every id unless told. */
  readonly models?: readonly string[];
  /** Ids of models that refuse `temperature` and `topP`; none unless told. */
  readonly modelsWithoutSampling?: readonly string[];
  /** Before the head of every answer; 0 unless told. */
  readonly firstTokenMs?: number;
  /** Before each delta, for each of its tokens; 0 unless told. */
  readonly perTokenMs?: number;
  /** How far its clock is ahead; 0 unless told. */
  readonly clockAheadMs?: number;
  /** 25 MB unless told, as Bedrock has it. */
  readonly maxBodyBytes?: number;
  /** Calls that are kept for looking at, the latest; 10,000 unless told. */
  readonly maxCalls?: number;
}

/** A double that listens: what it answers and how it fails is told here, and what came is looked at. */
export interface BedrockDouble {
  /** For the `endpoint` of either client. */
  readonly endpoint: string;
  readonly region: string;
  /** In the order in which they came. */
  readonly calls: readonly BedrockCall[];
  /** Calls in flight. */
  concurrent(): number;
  /** The most there were at a time. */
  peakConcurrent(): number;
  /** TCP connections that were opened so far. */
  connections(): number;
  /** What a model answers to Converse and ConverseStream; every model unless told. The latest that fits counts. */
  onConverse(handler: ConverseHandler, model?: string): void;
  onInvoke(handler: InvokeHandler, model?: string): void;
  onRerank(handler: JsonHandler, model?: string): void;
  onGuardrail(handler: JsonHandler, guardrail?: string): void;
  /** Lets a fault happen; the function takes it away again. */
  fault(fault: BedrockFault, choice?: FaultChoice): () => void;
  clearFaults(): void;
  /** Forgets calls and peak. */
  forgetCalls(): void;
  close(): Promise<void>;
}

const defaultMaxBodyBytes = 25_000_000;
const defaultMaxCalls = 10_000;
const testCredentials: SigningCredentials = { accessKeyId: 'test', secretAccessKey: 'test' };

interface Handlers {
  readonly Converse: Scripts<ConverseHandler>;
  readonly InvokeModel: Scripts<InvokeHandler>;
  readonly Rerank: Scripts<JsonHandler>;
  readonly ApplyGuardrail: Scripts<JsonHandler>;
}

/** What one request is served with. */
interface Context {
  readonly options: BedrockDoubleOptions;
  readonly handlers: Handlers;
  readonly prompts: PromptCache;
}

/** Resolves when it listens, over HTTP/2 without TLS. Thrown: the error of the system when the port cannot be had. */
export async function startBedrockDouble(options: BedrockDoubleOptions = {}): Promise<BedrockDouble> {
  const { host = '127.0.0.1', port = 0, region = testAwsRegion, maxCalls = defaultMaxCalls } = options;
  const log = createCallLog(maxCalls);
  const plan = createFaultPlan();
  const handlers: Handlers = {
    Converse: createScripts<ConverseHandler>(extractiveAnswer),
    InvokeModel: createScripts<InvokeHandler>(titanOnly()),
    Rerank: createScripts<JsonHandler>(rerank),
    ApplyGuardrail: createScripts<JsonHandler>(passingGuardrail),
  };
  const context: Context = { options, handlers, prompts: createPromptCache() };
  const opened = await openHttp2Port({ host, port }, (exchange) => {
    void serve(exchange, context, log, (route) => plan.take({ ...route, concurrent: log.concurrent() }));
  });
  return {
    endpoint: opened.endpoint,
    region,
    calls: log.calls,
    concurrent: log.concurrent,
    peakConcurrent: log.peakConcurrent,
    connections: opened.connections,
    onConverse: handlers.Converse.set,
    onInvoke: handlers.InvokeModel.set,
    onRerank: handlers.Rerank.set,
    onGuardrail: handlers.ApplyGuardrail.set,
    fault: (fault, choice = {}) => plan.add(fault, choice),
    clearFaults: plan.clear,
    forgetCalls: log.forget,
    close: opened.close,
  };
}

/** One request from its arrival to the end of its answer. Whatever is thrown becomes an answer. */
async function serve(
  exchange: Exchange,
  context: Context,
  log: CallLog,
  faultOf: (route: Route) => BedrockFault | undefined,
): Promise<void> {
  const { options } = context;
  const now = new Date(Date.now() + (options.clockAheadMs ?? 0));
  const bytes = await exchange.readBody(options.maxBodyBytes ?? defaultMaxBodyBytes).catch(() => Buffer.alloc(0));
  const body = parse(bytes);
  const route = routeOf(exchange, body ?? {});
  const call = log.begin(route, body ?? {}, exchange);
  const fault = route === undefined ? undefined : faultOf(route);
  const sending: Sending = {
    exchange,
    fault,
    headers: { date: now.toUTCString(), 'x-amzn-requestid': randomUUID() },
    perTokenMs: options.perTokenMs ?? 0,
    sent: call,
  };
  try {
    if (bytes === undefined) throw new BedrockRefusal('RequestEntityTooLargeException', 'Request size exceeded.');
    const { credentials = testCredentials, region = testAwsRegion } = options;
    await checkSignature({ ...exchange, body: bytes }, credentials, region, now);
    if (await sendFault(sending)) return;
    if (route === undefined) throw new BedrockRefusal('UnknownOperationException', 'The operation is not known.');
    if (body === undefined) throw invalid('The body is not valid JSON.');
    checkModel(route, body, options);
    if ((options.firstTokenMs ?? 0) > 0) await sleep(options.firstTokenMs, undefined, { signal: exchange.gone });
    await answer(sending, { ...route, body, signal: exchange.gone }, context, call);
  } catch (error) {
    if (exchange.gone.aborted) return;
    sendError(
      sending,
      error instanceof BedrockRefusal ? error : { type: 'InternalServerException', message: String(error) },
    );
  } finally {
    call.end();
  }
}

async function answer(sending: Sending, request: BedrockRequest, context: Context, call: RunningCall): Promise<void> {
  const { handlers, prompts } = context;
  switch (request.operation) {
    case 'InvokeModel': {
      const given = await handlers.InvokeModel.of(request)(request);
      const { inputTokens, outputTokens = 0 } = given;
      call.tokens({ inputTokens, outputTokens });
      await sendJson(sending, given.body, tokenHeaders(inputTokens, outputTokens));
      return;
    }
    case 'Converse':
    case 'ConverseStream': {
      checkConverse(request.body);
      const prompt = prompts.count(request);
      const events = counted(await handlers.Converse.of(request)(request), (event) => {
        const told = withPromptTokens(event, prompt);
        if ('metadata' in told) call.tokens(told.metadata.usage);
        else call.produced(tokensOf(told));
        return told;
      });
      if (request.operation === 'ConverseStream') await sendEvents(sending, events);
      else await sendJson(sending, messageOf(await all(events)));
      return;
    }
    case 'Rerank':
    case 'ApplyGuardrail':
      await sendJson(sending, await handlers[request.operation].of(request)(request));
  }
}

async function* counted(
  events: Iterable<ConverseEvent> | AsyncIterable<ConverseEvent>,
  look: (event: ConverseEvent) => ConverseEvent,
): AsyncGenerator<ConverseEvent> {
  for await (const event of events) yield look(event);
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

function tokenHeaders(inputTokens: number, outputTokens: number): Readonly<Record<string, string>> {
  return {
    'x-amzn-bedrock-invocation-latency': '1',
    'x-amzn-bedrock-input-token-count': String(inputTokens),
    ...(outputTokens === 0 ? {} : { 'x-amzn-bedrock-output-token-count': String(outputTokens) }),
  };
}

/** Thrown: BedrockRefusal, as Bedrock refuses ids that it does not know and parameters that a model does not take. */
function checkModel({ operation, model }: Route, body: Json, options: BedrockDoubleOptions): void {
  if (operation === 'ApplyGuardrail') return;
  if (options.models !== undefined && !options.models.includes(model)) {
    throw invalid('The provided model identifier is invalid.');
  }
  const { inferenceConfig } = body;
  if (!isObject(inferenceConfig) || options.modelsWithoutSampling?.includes(model) !== true) return;
  for (const name of ['temperature', 'topP']) {
    if (inferenceConfig[name] !== undefined) {
      throw invalid(`The model returned the following errors: \`${name}\` is not supported by this model.`);
    }
  }
}

function titanOnly(): InvokeHandler {
  const titan = createTitanEmbedding();
  return (request) => {
    if (!request.model.includes('titan-embed'))
      throw invalid('The double invokes Titan embeddings alone: see onInvoke.');
    return titan(request);
  };
}

function parse(bytes: Buffer | undefined): Json | undefined {
  if (bytes === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'));
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Handlers by model, and one for those that have none. */
interface Scripts<Handler> {
  readonly set: (handler: Handler, model?: string) => void;
  of(request: Pick<BedrockRequest, 'model'>): Handler;
}

function createScripts<Handler>(standard: Handler): Scripts<Handler> {
  const byModel = new Map<string, Handler>();
  let common = standard;
  return {
    set(handler, model) {
      if (model === undefined) common = handler;
      else byModel.set(model, handler);
    },
    of: ({ model }) => byModel.get(model) ?? common,
  };
}
