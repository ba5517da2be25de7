// Brings a machine that has only Node 20+ and npm to the point where a command of this repository can run: installs the
// dependencies (a current Node among them), generates the Prisma client, builds, then hands over to
// scripts/<command>.mjs. Built-ins only, and nothing newer than Node 20. Done steps are not repeated.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const [command, ...args] = process.argv.slice(2)
const startedAtMs = Date.now()
/** The first with argon2. */
const nodeMin = [24, 7]
const fallbackNodeVersion = '24.21.0'
const packages = ['libs/testing', 'apps/control-plane', 'apps/proxy', 'apps/echo'] // and with them what they refer to
const diskMbMin = { install: 1500, run: 200 }

/** npm by default takes more than a minute to say that there is no network. */
const quickToGiveUp = {
  npm_config_fetch_retries: '2',
  npm_config_fetch_retry_mintimeout: '1000',
  npm_config_fetch_retry_maxtimeout: '3000',
}

class SetupError extends Error {}

function say(message) {
  console.error(`[setup ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s] ${message}`)
}

function hashOf(files) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(file).update(existsSync(file) ? readFileSync(file) : '')
  return hash.digest('hex')
}

/** Runs `step` unless it has run before on the same contents of `files`. */
function once(name, files, step) {
  const stamp = path.join('node_modules', `.apigate-${name}`)
  const hash = hashOf(files)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  step()
  writeFileSync(stamp, hash)
}

function checkMachine() {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new SetupError(`Node 20 or newer is needed to begin with; this is ${process.version}.`)
  }
  const platform = `${process.platform}-${process.arch}`
  const supported = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']
  if (!supported.includes(platform)) {
    throw new SetupError(
      `${platform} is not supported: APIGate runs on ${supported.join(', ')}. On Windows use WSL 2; elsewhere a container.`,
    )
  }
}

function checkFolder() {
  try {
    accessSync(root, constants.W_OK)
    mkdirSync('node_modules', { recursive: true })
    writeFileSync('node_modules/.apigate-writable', '')
  } catch (error) {
    throw new SetupError(
      error.code === 'ENOSPC'
        ? `The disk that holds ${root} is full.`
        : `Cannot write to ${root} (${error.code}): use a folder that this user may write to.`,
    )
  }
  const { bavail, bsize } = statfsSync(root)
  const freeMb = Math.floor((bavail * bsize) / 1e6)
  const neededMb = existsSync('node_modules/.apigate-install') ? diskMbMin.run : diskMbMin.install
  if (freeMb < neededMb) {
    throw new SetupError(`The disk that holds ${root} has ${freeMb} MB free; ${neededMb} MB are needed.`)
  }
}

function install() {
  const { packageManager } = JSON.parse(readFileSync('package.json', 'utf8'))
  say(`installing dependencies with ${packageManager} (once)`)
  const result = spawnSync('npx', ['--yes', packageManager, 'install', '--frozen-lockfile', '--reporter=append-only'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    env: { ...quickToGiveUp, ...process.env, CI: 'true' },
  })
  if (result.status === 0) return
  const output = `${result.error ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}`
  process.stderr.write(`${output.split('\n').slice(-25).join('\n')}\n`)
  throw new SetupError(installProblem(output))
}

function installProblem(output) {
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|META_FETCH_FAIL|ECONNRESET/.test(output)) {
    return 'The npm registry cannot be reached. The first start needs the network (or a mirror: npm config set registry).'
  }
  if (/ENOSPC/.test(output)) return `The disk that holds ${root} (or npm's cache) is full.`
  if (/EACCES|EROFS|EPERM/.test(output)) return `Some folder cannot be written (see above): ${root} or npm's cache.`
  return 'Installing the dependencies failed; see above.'
}

/**
 * The Node that came with the dependencies; where that does not run (minimal images lack its libatomic), the system's if it
 * is new enough, else the release line before, which needs less and is fetched then.
 */
function pickNode() {
  const name = `node-${process.platform}-${process.arch}`
  const bundled = path.join(root, 'node_modules', name, 'bin/node')
  const fallback = path.join(root, '.cache/node/node_modules', name, 'bin/node')
  // npm's scripts would find it first.
  if (!isNewEnough(bundled)) rmSync('node_modules/.bin/node', { force: true })
  const found = [bundled, process.execPath, fallback].find(isNewEnough)
  if (found) return found
  if (process.platform === 'linux') {
    say(`the bundled Node does not run on this system: fetching Node ${fallbackNodeVersion} (once)`)
    mkdirSync('.cache/node', { recursive: true })
    const args = [
      'install',
      '--prefix',
      '.cache/node',
      '--no-save',
      '--no-package-lock',
      `${name}@${fallbackNodeVersion}`,
    ]
    spawnSync('npm', args, { stdio: 'ignore', env: { ...quickToGiveUp, ...process.env } })
    if (isNewEnough(fallback)) return fallback
  }
  throw new SetupError(
    `Node ${nodeMin.join('.')} or newer is needed to run APIGate here, and neither the bundled one nor the system's ` +
      `(${process.version}) will do. Install one (nodejs.org), or on Debian the package libatomic1 for the bundled one.`,
  )
}

function isNewEnough(node) {
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  const [major, minor] = (stdout ?? '').replace(/^v/, '').split('.').map(Number)
  return major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1])
}

function run(node, what, file, fileArgs, env = {}) {
  const result = spawnSync(node, [file, ...fileArgs], {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  if (result.status === 0) return
  process.stderr.write(`${result.error ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}`)
  throw new SetupError(`${what} failed; see above.`)
}

function prepare() {
  checkMachine()
  checkFolder()
  once('install', ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml'], install)
  const node = pickNode()
  process.env.PATH = [path.dirname(node), path.join(root, 'node_modules/.bin'), process.env.PATH].join(path.delimiter)
  once('prisma', ['pnpm-lock.yaml', 'prisma/schema.prisma'], () => {
    say('generating the Prisma client')
    run(node, 'prisma generate', 'node_modules/prisma/build/index.js', ['generate'], {
      PRISMA_SCHEMA_ENGINE_BINARY: path.join(root, 'scripts/schema-engine.mjs'),
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    })
  })
  run(node, 'The build', 'node_modules/typescript/bin/tsc', ['-b', ...packages])
  say('built')
  return node
}

/** Runs scripts/<command>.mjs in a process group of its own, so that Ctrl-C reaches it once: from here. */
function handOver(node) {
  const child = spawn(node, ['--enable-source-maps', path.join(root, 'scripts', `${command}.mjs`), ...args], {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
  })
  // The pipe tells the child when this process is gone, whatever ended it.
  child.stdin.on('error', () => {})
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
}

try {
  process.chdir(root)
  const node = prepare()
  if (command !== 'build') handOver(node)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\nAPIGate: ${error.message}\n`)
  process.exit(1)
}
