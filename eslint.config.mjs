import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import importX from 'eslint-plugin-import-x';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import tseslint from 'typescript-eslint';

const services = ['audit', 'embedding', 'ingestion', 'llm', 'retrieval', 'tenant-key'];

export default defineConfig(
  { ignores: ['**/node_modules', '**/dist', '.wardstone', 'libs/rpc/src/gen'] },
  eslint.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver()] },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Handlers and ports are async by contract, whether or not an implementation happens to wait.
      '@typescript-eslint/require-await': 'off',
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      eqeqeq: 'error',
      // Bytes are told from text by the control characters in them.
      'no-control-regex': 'off',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only config.ts and main.ts read the environment.' },
      ],
    },
  },
  {
    // A service never imports another service: they meet through RPCs and job contracts alone.
    files: ['services/**', 'gateway/**', 'libs/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: services.flatMap((name) => [`@wardstone/${name}`, `@wardstone/${name}/*`]) },
      ],
    },
  },
  {
    files: [
      '**/config.ts',
      '**/main.ts',
      '**/migrate.ts',
      '**/test/**',
      '**/scripts/**',
      'deploy/**',
      'libs/testing/**',
    ],
    rules: { 'no-restricted-properties': 'off', 'no-console': 'off' },
  },
  {
    // Chai's assertions are property reads.
    files: ['**/test/**', '**/*.contract.ts'],
    rules: { '@typescript-eslint/no-unused-expressions': 'off' },
  },
  {
    files: ['**/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
);
