/** What a tenant's answers used and may still use, each in the caller's transaction. */
import { holdLock } from '@wardstone/db';
import type { EntityManager } from 'typeorm';
import type { ModelUsage } from '../ports.ts';
import { modelUsageEntity, type ModelUsageRow } from './entities.ts';

/** Adds to the counters of a month; each usage is a part of one answer, and counts as one answer of its model. */
export async function addUsage(
  tx: EntityManager,
  tenantId: string,
  month: string,
  usages: readonly ModelUsage[],
): Promise<void> {
  // In one order, so that two answers that used the same models never wait for one another in a circle.
  const rows = [...usages].sort((a, b) => (a.modelId < b.modelId ? -1 : 1));
  await tx.query(
    `insert into model_usage as u (tenant_id, month, model_id, answers, input_tokens, output_tokens, cache_read_tokens,
                                   cache_write_tokens, cost_micro_usd)
     select $1, $2, n.model_id, 1, n.input, n.output, n.cache_read, n.cache_write, n.cost
     from unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
       as n (model_id, input, output, cache_read, cache_write, cost)
     on conflict (tenant_id, month, model_id) do update set
       answers = u.answers + excluded.answers,
       input_tokens = u.input_tokens + excluded.input_tokens,
       output_tokens = u.output_tokens + excluded.output_tokens,
       cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
       cache_write_tokens = u.cache_write_tokens + excluded.cache_write_tokens,
       cost_micro_usd = u.cost_micro_usd + excluded.cost_micro_usd`,
    [
      ...[tenantId, month],
      rows.map(({ modelId }) => modelId),
      rows.map(({ inputTokens }) => inputTokens),
      rows.map(({ outputTokens }) => outputTokens),
      rows.map(({ cacheReadTokens }) => cacheReadTokens),
      rows.map(({ cacheWriteTokens }) => cacheWriteTokens),
      rows.map(({ costMicroUsd }) => costMicroUsd),
    ],
  );
}

export async function findUsage(tx: EntityManager, tenantId: string, month: string): Promise<ModelUsageRow[]> {
  return tx.find(modelUsageEntity, { where: { tenantId, month }, order: { modelId: 'ASC' } });
}

/**
 * What a month has cost so far, and what answers under way have reserved of it, without `except`. What an answer reserved that
 * began to cost and did not end in its time is spent.
 */
export async function committedMicroUsd(
  tx: EntityManager,
  month: string,
  now: Date,
  except?: string,
): Promise<{ readonly spent: number; readonly reserved: number }> {
  const [row] = await tx.query<{ spent: string; unsettled: string; reserved: string }[]>(
    `select (select coalesce(sum(cost_micro_usd), 0) from model_usage where month = $1) as spent,
            coalesce(sum(micro_usd) filter (where is_begun and expires_at <= $2), 0) as unsettled,
            coalesce(sum(micro_usd) filter (where expires_at > $2), 0) as reserved
     from budget_reservation where month = $1 and reservation_id is distinct from $3`,
    [month, now, except ?? null],
  );
  const { spent, unsettled, reserved } = row ?? { spent: 0, unsettled: 0, reserved: 0 };
  return { spent: Number(spent) + Number(unsettled), reserved: Number(reserved) };
}

/** Lets one transaction at a time compare a tenant's budget and reserve of it. */
export async function lockBudget(tx: EntityManager, tenantId: string): Promise<void> {
  await holdLock(tx, `llm/budget/${tenantId}`);
}

/** A part of a month's budget that an answer under way holds. */
export interface Reservation {
  readonly tenantId: string;
  readonly reservationId: string;
  readonly month: string;
  readonly modelId: string;
  readonly microUsd: number;
  /** Something was asked that costs. */
  readonly isBegun: boolean;
  readonly expiresAt: Date;
}

/** Reserves, or changes what is reserved. */
export async function putReservation(tx: EntityManager, reservation: Reservation): Promise<void> {
  const { tenantId, reservationId, month, modelId, microUsd, isBegun, expiresAt } = reservation;
  await tx.query(
    `insert into budget_reservation (tenant_id, reservation_id, month, model_id, micro_usd, is_begun, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (tenant_id, reservation_id) do update set
       micro_usd = excluded.micro_usd, is_begun = excluded.is_begun, expires_at = excluded.expires_at`,
    [tenantId, reservationId, month, modelId, microUsd, isBegun, expiresAt],
  );
}

/**
 * Forgets the tenant's reservations that ran out before anything was asked that costs: their answers died. Adds to what was used
 * those that began and have run out since before `settleableSince`: what they cost is not known, and counts as what was reserved.
 */
export async function tidyReservations(tx: EntityManager, now: Date, settleableSince: Date): Promise<void> {
  await tx.query('delete from budget_reservation where not is_begun and expires_at <= $1', [now]);
  await tx.query(
    `with gone as (
       delete from budget_reservation where is_begun and expires_at <= $1 returning tenant_id, month, model_id, micro_usd)
     insert into model_usage as u (tenant_id, month, model_id, answers, input_tokens, output_tokens, cache_read_tokens,
                                   cache_write_tokens, cost_micro_usd)
     select tenant_id, month, model_id, count(*), 0, 0, 0, 0, sum(micro_usd) from gone
     group by tenant_id, month, model_id order by month, model_id
     on conflict (tenant_id, month, model_id) do update set
       answers = u.answers + excluded.answers, cost_micro_usd = u.cost_micro_usd + excluded.cost_micro_usd`,
    [settleableSince],
  );
}

/** False when there was none. */
export async function removeReservation(tx: EntityManager, reservationId: string): Promise<boolean> {
  const [, removed] = await tx.query<[unknown, number]>('delete from budget_reservation where reservation_id = $1', [
    reservationId,
  ]);
  return removed > 0;
}
