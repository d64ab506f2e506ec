/** Rerank and ApplyGuardrail, as they answer unless a test gives a handler. */
import { invalid } from './errors.ts';
import { isObject } from './converse.ts';
import type { Json, JsonHandler } from './types.ts';
import { overlap, wordsOf } from './words.ts';

const maxSources = 1_000;

/** Sources by the share of the query's words that they hold, best first. */
export const rerank: JsonHandler = ({ body }) => {
  const query = textOf(first(body['queries']), 'textQuery');
  const { sources } = body;
  if (!Array.isArray(sources) || sources.length === 0 || sources.length > maxSources) {
    throw invalid(
      `Value at 'sources' failed to satisfy constraint: Member must have length between 1 and ${String(maxSources)}`,
    );
  }
  const asked = new Set(wordsOf(query));
  const results = (sources as unknown[]).map((source, index) => ({
    index,
    relevanceScore: overlap(
      asked,
      textOf(isObject(source) ? source['inlineDocumentSource'] : undefined, 'textDocument'),
    ),
  }));
  results.sort((a, b) => b.relevanceScore - a.relevanceScore || a.index - b.index);
  return { results: results.slice(0, numberOfResults(body, sources.length)) };
};

/** The ARN of the model that a request to Rerank names; '' when it names none. */
export function rerankModel(body: Json): string {
  const { modelConfiguration } = rerankConfiguration(body);
  const modelArn = isObject(modelConfiguration) ? modelConfiguration['modelArn'] : undefined;
  return typeof modelArn === 'string' ? modelArn : '';
}

function numberOfResults(body: Json, sources: number): number {
  const { numberOfResults: asked = sources } = rerankConfiguration(body);
  if (typeof asked !== 'number' || asked < 1 || asked > sources) {
    throw invalid('numberOfResults must be between 1 and the number of sources');
  }
  return asked;
}

function rerankConfiguration(body: Json): Json {
  const { rerankingConfiguration } = body;
  const inner = isObject(rerankingConfiguration) ? rerankingConfiguration['bedrockRerankingConfiguration'] : undefined;
  return isObject(inner) ? inner : {};
}

function first(list: unknown): unknown {
  if (!Array.isArray(list) || list.length !== 1) throw invalid("Value at 'queries' must have length 1");
  return list[0] as unknown;
}

/** `{ type, <name>: { text } }`, and of a document of JSON the JSON itself. Thrown: BedrockRefusal. */
function textOf(holder: unknown, name: string): string {
  if (isObject(holder)) {
    const inner = holder[name];
    if (isObject(inner) && typeof inner['text'] === 'string' && inner['text'] !== '') return inner['text'];
    if (holder['type'] === 'JSON') return JSON.stringify(holder['jsonDocument'] ?? {});
  }
  throw invalid(
    `Value at '${name}.text' failed to satisfy constraint: Member must have length greater than or equal to 1`,
  );
}

/** Nothing is found and nothing done. */
export const passingGuardrail: JsonHandler = ({ body }) => {
  const { source, content } = body;
  if (source !== 'INPUT' && source !== 'OUTPUT') throw invalid("Value at 'source' must be INPUT or OUTPUT");
  if (!Array.isArray(content) || content.length === 0) throw invalid("Value at 'content' must not be empty");
  return { usage: guardrailUsage, action: 'NONE', actionReason: 'No action.', outputs: [], assessments: [{}] };
};

/** The answer of a guardrail that puts a text in place of what it was asked about. */
export function guardrailIntervention(text: string, assessment: Json = {}): Json {
  return {
    usage: guardrailUsage,
    action: 'GUARDRAIL_INTERVENED',
    actionReason: 'Guardrail blocked.',
    outputs: [{ text }],
    assessments: [assessment],
  };
}

const guardrailUsage = {
  topicPolicyUnits: 0,
  contentPolicyUnits: 1,
  wordPolicyUnits: 0,
  sensitiveInformationPolicyUnits: 1,
  sensitiveInformationPolicyFreeUnits: 0,
  contextualGroundingPolicyUnits: 0,
};
