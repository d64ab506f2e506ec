export { ConfigError, readConfig } from './read-config.ts';
export { fields } from './fields.ts';
export {
  embeddedFields,
  refuseEmbeddedInProduction,
  serviceFields,
  slotFields,
  type ServiceConfig,
} from './service-fields.ts';
