// The real NATS and Redis that the tests run against: from the environment, from PATH, or from Debian's packages unpacked
// under .cache/ (no root needed, nothing on the system changes).
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { freePort } from './ports.mjs'

const cacheDir = path.resolve(import.meta.dirname, '../.cache/servers')
/** With what their binaries need beyond a minimal Debian. */
const packages = {
  'nats-server': ['nats-server'],
  'redis-server': ['redis-server', 'redis-tools', 'libjemalloc2', 'liblzf1', 'liblua5.1-0', 'lua-bitop', 'lua-cjson'],
}
const startupMs = 15_000

/** Puts `nats-server` and `redis-server` on PATH, fetching what is missing. */
export function provideServerBinaries() {
  const folders = ['usr/bin', 'usr/sbin'].map((folder) => path.join(cacheDir, folder))
  process.env.PATH = [process.env.PATH, '/usr/sbin', ...folders].join(path.delimiter)
  for (const binary of Object.keys(packages)) {
    if (runs(binary)) continue
    fetchDebianPackages(binary)
    if (!runs(binary)) throw new Error(missing(binary, 'Debian’s package was unpacked but does not run here'))
  }
}

function runs(binary) {
  return spawnSync(binary, ['--version'], { stdio: 'ignore', env: serverEnv() }).status === 0
}

function missing(binary, why) {
  return (
    `${binary} is needed for the tests (${why}). Install it (Debian: apt-get install nats-server redis-server; ` +
    `macOS: brew install nats-server redis) or set NATS_URL and REDIS_URL to servers of your own.`
  )
}

function fetchDebianPackages(binary) {
  if (spawnSync('dpkg-deb', ['--version'], { stdio: 'ignore' }).status !== 0) {
    throw new Error(missing(binary, 'not on PATH, and this system has no Debian packages'))
  }
  console.error(`[setup] fetching ${binary} from Debian's packages (once)`)
  const debs = path.join(cacheDir, 'debs', binary)
  mkdirSync(debs, { recursive: true })
  const download = () =>
    apt(['download', ...packages[binary]], { cwd: debs }) && readdirSync(debs).length >= packages[binary].length
  // The system's package lists may be missing (fresh images) or old: then fetch our own.
  if (!download() && !(apt(['update']) && download())) throw new Error(missing(binary, 'it could not be downloaded'))
  for (const deb of readdirSync(debs)) spawnSync('dpkg-deb', ['-x', path.join(debs, deb), cacheDir])
}

let ownLists = false
function apt(args, options = {}) {
  ownLists ||= args[0] === 'update'
  const state = path.join(cacheDir, 'apt')
  mkdirSync(path.join(state, 'lists/partial'), { recursive: true })
  mkdirSync(path.join(state, 'archives/partial'), { recursive: true })
  const settings = [`Dir::Cache=${state}`, 'APT::Sandbox::User=root', 'Debug::NoLocking=true']
  if (ownLists) settings.push(`Dir::State::Lists=${path.join(state, 'lists')}`)
  const conf = path.join(state, 'apt.conf')
  // A configuration file, because a folder with a space in it does not survive `-o`.
  writeFileSync(conf, settings.map((line) => `${line.replace('=', ' "')}";\n`).join(''))
  return (
    spawnSync('apt-get', args, { stdio: 'ignore', env: { ...process.env, APT_CONFIG: conf }, ...options }).status === 0
  )
}

/** Unpacked packages bring their libraries with them. */
export function serverEnv() {
  const lib = path.join(cacheDir, 'usr/lib')
  if (!existsSync(lib)) return process.env
  const folders = [
    lib,
    ...readdirSync(lib, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(lib, entry.name)),
  ]
  return { ...process.env, LD_LIBRARY_PATH: [...folders, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':') }
}

/** @returns {Promise<{ url: string, stop: () => void }>} a throwaway NATS with JetStream */
export function startNats(dir) {
  return startServer('nats', 'nats-server', (port) => ['-js', '-a', '127.0.0.1', '-p', String(port), '-sd', dir])
}

/** @returns {Promise<{ url: string, stop: () => void }>} a throwaway Redis without persistence */
export function startRedis(dir) {
  return startServer('redis', 'redis-server', (port) => [
    '--bind',
    '127.0.0.1',
    '--port',
    String(port),
    '--dir',
    dir,
    '--save',
    '',
    '--maxmemory-policy',
    'noeviction',
  ])
}

async function startServer(scheme, binary, argsFor) {
  let output = ''
  for (let attempt = 0; attempt < 3; attempt++) {
    const port = await freePort()
    const child = spawn(binary, argsFor(port), { stdio: ['ignore', 'pipe', 'pipe'], env: serverEnv() })
    child.stdout.on('data', (data) => (output += data))
    child.stderr.on('data', (data) => (output += data))
    if (await accepts(port, child)) return { url: `${scheme}://127.0.0.1:${port}`, stop: () => child.kill('SIGKILL') }
    child.kill('SIGKILL')
  }
  throw new Error(`${binary} did not start:\n${output.slice(-4096)}`)
}

async function accepts(port, child) {
  for (const deadline = Date.now() + startupMs; Date.now() < deadline && child.exitCode === null;) {
    const connected = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (connected) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}
