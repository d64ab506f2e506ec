export { awsClientSettings, type AwsClientOptions, type AwsClientSettings } from './client-settings.ts';
export { awsFault, errorNameOf, httpStatusOf, type AwsFault } from './faults.ts';
export { tenantKeyAlias } from './key-alias.ts';
