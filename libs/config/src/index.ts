export { ConfigError, readConfig } from './read-config.ts';
export { fields } from './fields.ts';
export {
  awsRegion,
  checkObjectStore,
  kmsAliasPrefix,
  objectStoreFields,
  type ObjectStoreConfig,
} from './object-store-fields.ts';
export {
  embeddedFields,
  refuseClearBedrockInProduction,
  refuseEmbeddedInProduction,
  serviceFields,
  slotFields,
  type EmbeddedConfig,
  type ServiceConfig,
} from './service-fields.ts';
