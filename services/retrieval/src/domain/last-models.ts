/** Tenants whose model is remembered; about a megabyte. */
const maxTenants = 10_000;

/** Which model each tenant's searches used last: what the next search embeds its question with before it looks. A guess, and never more. */
export interface LastModels {
  of(tenantId: string): string | undefined;
  note(tenantId: string, modelId: string | undefined): void;
}

export function createLastModels(): LastModels {
  const models = new Map<string, string>();
  return {
    of: (tenantId) => models.get(tenantId),
    note: (tenantId, modelId) => {
      models.delete(tenantId);
      if (modelId === undefined) return;
      models.set(tenantId, modelId);
      if (models.size <= maxTenants) return;
      const [oldest] = models.keys();
      if (oldest !== undefined) models.delete(oldest);
    },
  };
}
