export { testBackends, type OpenTestBackend, type TestBackend } from './backends.ts';
export { createTestDatabase, type TestDatabase, type TestDatabaseOptions, type TestSchema } from './database.ts';
export { eventually, type EventuallyOptions } from './eventually.ts';
export { testIdentities, type TestIdentities } from './identities.ts';
export { startTestIssuer, type TestIssuer, type TestTokenOptions } from './issuer.ts';
export { imageOnlyPdf, pagesPdf, textPdf, type PdfOptions } from './pdf.ts';
