import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../scripts/ports.mjs'

const root = path.resolve(import.meta.dirname, '../..')
const nobody = 65_534

/** A clone in which nothing has been installed yet. */
let clone: string
beforeEach(() => {
  clone = mkdtempSync(path.join(os.tmpdir(), 'apigate clone '))
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'scripts']) {
    cpSync(path.join(root, file), path.join(clone, file), { recursive: true })
  }
})
afterEach(() => {
  chmodSync(clone, 0o755)
  rmSync(clone, { recursive: true, force: true })
})

interface Outcome {
  status: number | null
  output: string
}

function bootstrap({
  env = {},
  uid,
  patch = '',
}: { env?: NodeJS.ProcessEnv; uid?: number; patch?: string } = {}): Outcome {
  const imports = patch ? ['--import', `data:text/javascript,${encodeURIComponent(patch)}`] : []
  const { status, stdout, stderr } = spawnSync(process.execPath, [...imports, 'scripts/bootstrap.mjs', 'build'], {
    cwd: clone,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: path.join(clone, 'home'), ...env },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  return { status, output: stdout + stderr }
}

test('without a network the first start says that it needs one', () => {
  const { status, output } = bootstrap({ env: { npm_config_registry: 'http://127.0.0.1:9/' } })
  expect(output).toContain('APIGate: The npm registry cannot be reached')
  expect(status).toBe(1)
})

test('a folder that may not be written is named', () => {
  // Root may write anywhere, so the test then runs as somebody else.
  const asRoot = process.getuid?.() === 0
  if (asRoot) chownSync(clone, 0, 0)
  chmodSync(clone, 0o555)
  const { status, output } = bootstrap(asRoot ? { uid: nobody } : {})
  expect(output).toContain(`APIGate: Cannot write to ${clone} (EACCES)`)
  expect(status).toBe(1)
})

test('a disk without room is named, with how much is needed', () => {
  const patch = `import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module';
    fs.statfsSync = () => ({ bavail: 1000, bsize: 4096 }); syncBuiltinESMExports()`
  const { status, output } = bootstrap({ patch })
  expect(output).toContain('has 4 MB free; 1500 MB are needed')
  expect(status).toBe(1)
})

test('an unsupported platform is named, with those that are supported', () => {
  const { status, output } = bootstrap({ patch: `Object.defineProperty(process, 'platform', { value: 'win32' })` })
  expect(output).toMatch(/APIGate: win32-\w+ is not supported: APIGate runs on linux-x64/)
  expect(status).toBe(1)
})

test('a taken port is named, with the setting that chooses another', async () => {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  const data = path.join(clone, 'data')
  mkdirSync(data)
  const { status, stderr } = spawnSync(process.execPath, [path.join(root, 'scripts/start.mjs')], {
    encoding: 'utf8',
    env: { ...process.env, APIGATE_DATA_DIR: data, APIGATE_ADMIN_PORT: String(port) },
  })
  server.close()
  expect(stderr).toContain(`APIGate: Port ${port} is taken`)
  expect(stderr).toContain('APIGATE_ADMIN_PORT=')
  expect(status).toBe(1)
})

test('a start that is ended while its database starts leaves no database behind', async () => {
  const data = path.join(clone, 'data')
  const env: NodeJS.ProcessEnv = { ...process.env, APIGATE_DATA_DIR: data }
  for (const name of ['DATABASE_URL', 'NATS_URL', 'REDIS_URL']) delete env[name]
  for (const name of ['ADMIN', 'PROXY', 'STATUS', 'JOBS_STATUS', 'ECHO']) {
    env[`APIGATE_${name}_PORT`] = String(await freePort())
  }
  // Ctrl-C at the moment when PostgreSQL runs and is not ready yet.
  const patch = `import child from 'node:child_process'; import { syncBuiltinESMExports } from 'node:module';
    const spawn = child.spawn;
    child.spawn = (...args) => { const one = spawn(...args); process.kill(process.pid, 'SIGINT'); return one };
    syncBuiltinESMExports()`
  const args = ['--import', `data:text/javascript,${encodeURIComponent(patch)}`, path.join(root, 'scripts/start.mjs')]
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  const status = await new Promise((resolve) => child.once('exit', resolve))
  expect([status, said]).toEqual([0, 'stopping …\n'])
  const servers = spawnSync('ps', ['-eo', 'args='], { encoding: 'utf8' }).stdout.split('\n')
  expect(servers.filter((line) => line.includes(`-D ${data}`))).toEqual([])
  expect(existsSync(path.join(data, 'postgres/PG_VERSION'))).toBe(true)
})
