/** What a tenant's answers used and may still use, each in the caller's transaction. */
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

/** What a month has cost so far, and what answers under way have reserved of it. */
export async function committedMicroUsd(
  tx: EntityManager,
  month: string,
  now: Date,
): Promise<{ readonly spent: number; readonly reserved: number }> {
  const [row] = await tx.query<{ spent: string; reserved: string }[]>(
    `select (select coalesce(sum(cost_micro_usd), 0) from model_usage where month = $1) as spent,
            (select coalesce(sum(micro_usd), 0) from budget_reservation where month = $1 and expires_at > $2) as reserved`,
    [month, now],
  );
  return { spent: Number(row?.spent ?? 0), reserved: Number(row?.reserved ?? 0) };
}

/** Lets one transaction at a time compare a tenant's budget and reserve of it. */
export async function lockBudget(tx: EntityManager, tenantId: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`llm/budget/${tenantId}`]);
}

/** A part of a month's budget that an answer under way holds. */
export interface Reservation {
  readonly tenantId: string;
  readonly reservationId: string;
  readonly month: string;
  readonly microUsd: number;
  readonly expiresAt: Date;
}

/** Reserves, and forgets the tenant's reservations that ran out: their answers died. */
export async function addReservation(tx: EntityManager, reservation: Reservation, now: Date): Promise<void> {
  const { tenantId, reservationId, month, microUsd, expiresAt } = reservation;
  await tx.query('delete from budget_reservation where expires_at <= $1', [now]);
  await tx.query(
    `insert into budget_reservation (tenant_id, reservation_id, month, micro_usd, expires_at) values ($1, $2, $3, $4, $5)`,
    [tenantId, reservationId, month, microUsd, expiresAt],
  );
}

export async function removeReservation(tx: EntityManager, reservationId: string): Promise<void> {
  await tx.query('delete from budget_reservation where reservation_id = $1', [reservationId]);
}
