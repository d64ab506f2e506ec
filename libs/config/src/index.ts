export { ConfigError, readConfig } from './read-config.ts';
export { fields } from './fields.ts';
export { embeddedFields, refuseEmbeddedInProduction, serviceFields, slotFields } from './service-fields.ts';
