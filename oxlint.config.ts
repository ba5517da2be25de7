import { defineConfig, type OxlintOverride } from 'oxlint'

/**
 * Lint rules, and with them the import boundaries of docs/architecture.md. Each boundary says why it stands; test/checks
 * plants a violation of each and sees it refused.
 */

/** `regex` has no look-around; `group` takes gitignore patterns, where `!` lets through. */
type Boundary = { message: string } & ({ regex: string } | { group: string[] })

const specs = ['**/*.spec.ts', '**/*.fixture.ts']

const insideOfPackages: Boundary = {
  regex: '^@apigate/[^/]+/',
  message: 'A package is used through its index only, so that its inside can change.',
}
const testing: Boundary = {
  regex: '^@apigate/testing$',
  message: 'What ships must not need what only tests need.',
}
const apps: Boundary = {
  regex: '^@apigate/(proxy|control-plane|echo)$|/apps/',
  message: 'Applications are not libraries: what two of them need belongs in libs/.',
}
const nest: Boundary = {
  regex: '^@nestjs/|^reflect-metadata$|^class-(validator|transformer)$',
  message: 'Only the control plane is a Nest application; see docs/decisions/0004-no-nest-in-the-proxy.md.',
}
const prisma: Boundary = {
  regex: '^@prisma/|^pg$|/generated/',
  message: 'The database is reached through repositories and persistence/ only, so that a query has one place.',
}
const onlyOf = (allowed: string[], message: string): Boundary => ({
  group: ['*', ...['./**', '../**', ...allowed].map((pattern) => `!${pattern}`)],
  message,
})
const otherResources: Boundary = {
  group: ['../*/*', '!../*/index.ts', '!../../**'],
  message: 'Two resources know each other only through index.ts.',
}

const boundary = (files: string[], patterns: Boundary[], excludeFiles: string[] = []): OxlintOverride => ({
  files,
  excludeFiles,
  rules: { 'no-restricted-imports': ['error', { patterns: [insideOfPackages, ...patterns] }] },
})

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'node', 'promise', 'vitest'],
  categories: { correctness: 'error', suspicious: 'error' },
  options: { denyWarnings: true },
  ignorePatterns: ['**/dist/**', '**/generated/**', 'node_modules/**', '.data/**', '.cache/**'],
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/consistent-type-assertions': 'error',
    'import/no-cycle': 'error',
    eqeqeq: 'error',
    'no-console': 'error',
    'node/no-process-env': 'error',
    // A `_` prefix and a shadowed name in a short callback read well enough.
    'no-shadow': 'off',
    'no-underscore-dangle': 'off',
    // The compiler knows when a switch returns in every case.
    'typescript/consistent-return': 'off',
    'consistent-return': 'off',
    // The second argument is the message of a failure.
    // A wait that gives up is a failure.
    'vitest/expect-expect': ['error', { assertFunctionNames: ['expect', 'waitFor', 'becomes', 'fc.assert'] }],
    'vitest/valid-expect': ['error', { maxArgs: 2 }],
    // Nest modules and DTOs are classes by design.
    'typescript/no-extraneous-class': 'off',
    // Narrowing at a boundary that has just been checked is what these would forbid.
    'typescript/no-unsafe-type-assertion': 'off',
    // Groups of arguments on one line read better as spread rows.
    'unicorn/no-useless-spread': 'off',
    // CommonJS packages are imported whole.
    'import/no-named-as-default-member': 'off',
    // Imports for their effect: reflect-metadata, instrumentation.
    'import/no-unassigned-import': 'off',
    'unicorn/no-array-sort': 'error',
  },
  overrides: [
    boundary(['libs/errors/src/**'], [onlyOf([], 'errors imports nothing: everything imports it.')], specs),
    boundary(
      ['libs/core/src/**'],
      [onlyOf(['re2js'], 'core is pure: no dependency but the regex engine, no Node, no clock.')],
      specs,
    ),
    boundary(
      ['libs/contracts/src/**'],
      [onlyOf(['@apigate/core', 'zod'], 'contracts is the wire only: types of core and the schema library.')],
      specs,
    ),
    boundary(
      ['libs/platform/src/**'],
      [
        testing,
        apps,
        nest,
        { regex: '^@apigate/core$', message: 'platform connects; what a request means is not its business.' },
        { regex: '^@prisma/', message: 'Prisma belongs to the control plane.' },
      ],
      specs,
    ),
    boundary(['apps/proxy/src/**'], [testing, apps, nest, prisma], specs),
    boundary(['apps/echo/src/**'], [{ regex: '^@apigate/', message: 'The sample upstream knows nothing of APIGate.' }]),
    boundary(['apps/control-plane/src/**'], [testing, apps, prisma], specs),
    boundary(
      [
        'apps/control-plane/src/persistence/**',
        'apps/control-plane/src/config-publisher/**',
        'apps/control-plane/src/usage-ingest/**',
      ],
      [testing, apps],
      specs,
    ),
    boundary(['apps/control-plane/src/resources/**'], [testing, apps, prisma, otherResources], specs),
    boundary(['apps/control-plane/src/**/*.repository.ts'], [testing, apps, otherResources]),
    {
      files: ['**/config.ts', 'scripts/**', 'prisma.config.ts', 'test/**', 'bench/**'],
      rules: { 'node/no-process-env': 'off' },
    },
    {
      files: specs,
      rules: {
        'typescript/unbound-method': 'off',
        'typescript/no-misused-spread': 'off',
        // A helper reads best beside the tests that it serves.
        'unicorn/consistent-function-scoping': 'off',
      },
    },
    // Answers are read as a client that knows nothing of our types would.
    {
      files: ['test/**', '**/*.fixture.ts', 'libs/testing/src/{otlp.receiver,protobuf.reader}.ts'],
      rules: { 'typescript/no-explicit-any': 'off' },
    },
    // What a person runs in a terminal may write to it.
    {
      files: ['scripts/**', 'bench/**', 'test/conformance/run.ts', 'test/chaos/main.ts', 'test/soak/main.ts'],
      rules: { 'no-console': 'off' },
    },
  ],
})
