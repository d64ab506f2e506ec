/** Settings of a tenant that never set any, and the etags of those that did. */
import type { AnswerSettings, CitationPolicy } from '../ports.ts';

/** The best model; everything optional off. */
export function defaultSettings(citationPolicy: CitationPolicy): AnswerSettings {
  return Object.freeze({
    model: 'quality',
    citationPolicy,
    completionsEnabled: false,
    monthlyBudgetMicroUsd: undefined,
    rerank: false,
    guardrail: undefined,
  });
}

/** Changes with every change of the settings; opaque to callers. That of settings that never were set is `0`. */
export function etagOf(revision: number): string {
  return String(revision);
}

/** The revision that an etag names; undefined when it names none that there ever was. */
export function revisionOf(etag: string): number | undefined {
  return /^(0|[1-9][0-9]{0,14})$/.test(etag) ? Number(etag) : undefined;
}
