// `npm test`: every test, against real PostgreSQL, NATS and Redis. Servers named by DATABASE_URL, NATS_URL and REDIS_URL are
// used; the others are started for the run and thrown away. Arguments go to vitest. The last line is the count.
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { programEnv, providePostgres, provideProgram } from './debian-packages.mjs'
import { startEmbeddedPostgres } from './embedded-postgres.mjs'
import { startNats, startRedis } from './servers.mjs'

const root = path.resolve(import.meta.dirname, '..')
const scratch = mkdtempSync(path.join(os.tmpdir(), 'apigate-test-'))
// One test runs a part of itself as somebody else, who must be able to come by.
chmodSync(scratch, 0o711)
const reportFile = path.join(scratch, 'report.json')
const started = []
const programs = [
  { binary: 'nats-server', why: 'as the message bus of the tests' },
  { binary: 'redis-server', packages: ['redis-server', 'redis-tools'], why: 'as the queue of the tests' },
  { binary: 'curl', why: 'to try the printed commands as a user would' },
  { binary: 'promtool', packages: ['prometheus'], isAlone: true, why: 'to check metrics and alert rules' },
  { binary: 'chromium-headless-shell', why: 'as the browser of the tests' },
]

function folder(name) {
  mkdirSync(path.join(scratch, name))
  return path.join(scratch, name)
}

async function startServers() {
  for (const program of programs) provideProgram(program)
  providePostgres()
  const starters = {
    DATABASE_URL: () => startEmbeddedPostgres({ dir: path.join(scratch, 'postgres'), ephemeral: true }),
    NATS_URL: () => startNats(folder('nats')),
    REDIS_URL: () => startRedis(folder('redis')),
  }
  for (const [name, begin] of Object.entries(starters)) {
    if (process.env[name]) continue
    const server = await begin()
    started.push(server)
    process.env[name] = server.url
  }
}

function runTests() {
  const args = [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${reportFile}`,
    ...process.argv.slice(2),
  ]
  const vitest = spawn(process.execPath, [path.join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    // What tests leave in the temporary folder goes away with it, and so does what processes have compiled for the next ones.
    env: {
      ...programEnv(),
      TMPDIR: scratch,
      NODE_COMPILE_CACHE: path.join(scratch, 'compiled'),
      FORCE_COLOR: process.stdout.isTTY ? '1' : '0',
    },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => vitest.kill(signal))
  process.stdin.on('end', () => vitest.kill('SIGTERM')).resume()
  return new Promise((resolve) => vitest.on('exit', (code) => resolve(code ?? 1)))
}

/** A file that could not even be loaded counts as one failure; so does a run that ended without a report. */
function count(exitCode) {
  try {
    const report = JSON.parse(readFileSync(reportFile, 'utf8'))
    const unloaded = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
    const failed = report.numFailedTests + unloaded.length
    return { passed: report.numPassedTests, failed: failed === 0 && exitCode !== 0 ? 1 : failed }
  } catch {
    return { passed: 0, failed: 1 }
  }
}

let result = { passed: 0, failed: 1 }
try {
  await startServers()
  result = count(await runTests())
} catch (error) {
  console.error(`\nAPIGate: ${error.message}\n`)
} finally {
  for (const server of started) await server.stop()
  rmSync(scratch, { recursive: true, force: true })
}
console.log(`${result.passed} passed, ${result.failed} failed`)
process.exit(result.failed > 0 || result.passed === 0 ? 1 : 0)
