// Typed rules over every source. No rule can be switched off in a file: one that is wrong is changed here, with its reason.
import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import importX from 'eslint-plugin-import-x';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import tseslint from 'typescript-eslint';

/** What runs as a program of its own: it is called over the wire, and nobody imports it. */
const programs = [
  'gateway',
  'audit',
  'embedding',
  'ingestion',
  'llm',
  'retrieval',
  'tenant-key',
  'local',
  'e2e',
  'bench',
];

export default defineConfig(
  globalIgnores(['**/node_modules', '**/dist', '**/.wardstone', 'libs/rpc/src/gen']),
  { linterOptions: { noInlineConfig: true } },
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
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Handlers and ports are async by contract, whether or not an implementation happens to wait.
      '@typescript-eslint/require-await': 'off',
      // Objects here are closures, not classes: their methods do not use `this`, and are passed on freely.
      '@typescript-eslint/unbound-method': 'off',
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      eqeqeq: 'error',
      // Bytes are told from text by the control characters in them.
      'no-control-regex': 'off',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      'no-console': 'error',
      'no-warning-comments': ['error', { terms: ['todo', 'fixme'] }],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only config.ts, main.ts and migrate.ts read the environment.' },
      ],
    },
  },
  {
    // A service never imports another service: they meet through RPCs and job contracts alone.
    files: ['services/**', 'gateway/**', 'libs/**'],
    rules: {
      'max-lines-per-function': ['error', { max: 90, skipBlankLines: true, skipComments: true }],
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { regex: `^@wardstone/(${programs.join('|')})(/|$)`, message: 'A program is called through its RPCs.' },
            { regex: '^(\\.\\./)+(services|libs|gateway|deploy)/', message: 'Packages are imported by name.' },
          ],
        },
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
      'libs/service-testing/**',
    ],
    rules: { 'no-restricted-properties': 'off', 'no-console': 'off' },
  },
  {
    // Chai's assertions are property reads, a suite is one long function, and rows and bodies are compared as they come.
    files: ['**/test/**', '**/*.contract.ts', 'libs/testing/**', 'libs/service-testing/**'],
    rules: {
      '@typescript-eslint/no-unused-expressions': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      'max-lines-per-function': 'off',
    },
  },
  {
    // What never runs says nothing. A suite that lacks its server is registered by `awsSuite` of libs/testing.
    files: ['**/test/**', '**/*.contract.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "MemberExpression[object.name=/^(it|describe)$/][property.name='skip']",
          message: 'Tests are not skipped.',
        },
        {
          selector: 'CallExpression[callee.name=/^(it|describe)$/][arguments.length=1]',
          message: 'A test has a body.',
        },
      ],
    },
  },
  {
    files: ['**/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
      },
    },
  },
);
