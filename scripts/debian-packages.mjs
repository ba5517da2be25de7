// Programs that only the tests need (servers, curl, a browser), from PATH or else from Debian's packages, unpacked under
// .cache/ with the libraries that this system lacks: no root needed, and nothing on the system changes.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const cacheDir = path.resolve(import.meta.dirname, '../.cache/debian')
// Chromium's command in usr/bin is a script that names an absolute path: the program itself comes first.
const binDirs = ['usr/lib/chromium', 'usr/bin', 'usr/sbin'].map((folder) => path.join(cacheDir, folder))

/**
 * Makes sure that `binary` can be started by name, with `programEnv()`.
 *
 * @param {{ binary: string, packages?: string[], isAlone?: boolean, why: string, found?: () => boolean }} program `packages` are
 *   unpacked even where they are installed; default: the one of the binary's name. `isAlone`: it needs no other package, whatever
 *   they say. `found`: whether it is there; default: it runs.
 * @throws with what to install, where there is no way to provide it.
 */
export function provideProgram({ binary, packages = [binary], isAlone = false, why, found = () => runs(binary) }) {
  if (found()) return
  const missing = (problem) =>
    new Error(
      `${binary} is needed ${why}, but ${problem}. Install it and try again (Debian: apt-get install ${packages.join(' ')}).`,
    )
  if (spawnSync('dpkg-deb', ['--version'], { stdio: 'ignore' }).status !== 0) {
    throw missing('it is not on PATH, and this system does not use Debian packages that could be unpacked')
  }
  console.error(`[setup] fetching ${binary} from Debian's packages (once)`)
  // The system's package lists may be absent (fresh images) or stale: then the second try fetches lists of our own.
  const folder = path.join(cacheDir, 'debs', binary)
  mkdirSync(folder, { recursive: true })
  const ownLists = { ownLists: true, isAlone }
  if (
    !download(packages, folder, { isAlone }) &&
    !(apt(['apt-get', 'update'], ownLists) && download(packages, folder, ownLists))
  ) {
    throw missing('it is not on PATH and its package could not be downloaded (is there a network?)')
  }
  for (const deb of readdirSync(folder)) spawnSync('dpkg-deb', ['-x', path.join(folder, deb), cacheDir])
  rmSync(folder, { recursive: true })
  if (!found()) throw missing('the downloaded package does not run on this system')
}

/**
 * NATS or Redis for a command that starts its own, in the environment of this process.
 *
 * @param {Record<string, string>} whys why each is needed, by its binary
 */
export function provideServers(whys) {
  for (const [binary, why] of Object.entries(whys)) {
    provideProgram({ binary, packages: binary === 'redis-server' ? [binary, 'redis-tools'] : [binary], why })
  }
  Object.assign(process.env, programEnv())
}

/**
 * A PostgreSQL with its tools (`pg_dump` and others), which must be of the server's version: the npm package has none.
 *
 * @returns {string} the folder that has `bin/`.
 */
export function providePostgres() {
  const roots = ['/usr/lib/postgresql', path.join(cacheDir, 'usr/lib/postgresql')]
  const find = () =>
    roots
      .flatMap((folder) => globSync(`${folder}/*/bin/postgres`))
      .toSorted()
      .at(-1)
  if (!hasTools(find())) {
    provideProgram({
      binary: 'postgres',
      packages: ['postgresql'],
      why: 'for its tools',
      found: () => hasTools(find()),
    })
  }
  return path.resolve(find(), '../..')
}

function hasTools(postgres) {
  return postgres !== undefined && existsSync(path.join(path.dirname(postgres), 'pg_restore'))
}

/** The environment in which provided programs find their libraries and each other. */
export function programEnv() {
  const PATH = [process.env.PATH, '/usr/sbin', ...binDirs].join(path.delimiter)
  // Recursively: some packages keep private libraries a folder or two deeper (usr/lib/<triplet>/pulseaudio).
  const libraries = ['lib', 'usr/lib']
    .map((folder) => path.join(cacheDir, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true })
        .filter((file) => /\.so(\.\d+)*$/.test(file))
        .map((file) => path.join(folder, path.dirname(file))),
    )
  if (libraries.length === 0) return { ...process.env, PATH }
  const LD_LIBRARY_PATH = [process.env.LD_LIBRARY_PATH, ...new Set(libraries)].filter(Boolean).join(path.delimiter)
  return { ...process.env, PATH, LD_LIBRARY_PATH }
}

/** Where a provided program lies, for callers that need a path; undefined when it is not there. */
export function findProgram(binary) {
  return programEnv()
    .PATH.split(path.delimiter)
    .map((folder) => path.join(folder, binary))
    .find((file) => existsSync(file))
}

function runs(binary) {
  return spawnSync(binary, ['--version'], { stdio: 'ignore', env: programEnv() }).status === 0
}

/** The packages, and what they depend on and is not installed here. */
function download(packages, cwd, { isAlone, ...lists }) {
  if (isAlone) return apt(['apt-get', 'download', ...packages], { ...lists, cwd }) !== false
  const filters = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
    (kind) => `--no-${kind}`,
  )
  const closure = apt(['apt-cache', 'depends', '--recurse', ...filters, ...packages], lists)
  if (!closure) return false
  const names = new Set(closure.match(/^\w\S*/gm))
  for (const line of spawnSync('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\\n'], {
    encoding: 'utf8',
  }).stdout.split('\n')) {
    const [installed, status] = line.split(' ')
    if (status === 'installed') names.delete(installed)
  }
  for (const name of packages) names.add(name)
  // Names without a candidate (virtual packages) would fail the whole download.
  const policy = apt(['apt-cache', 'policy', ...names], lists) || ''
  const available = [...policy.matchAll(/^(\S+):\n.*\n {2}Candidate: (?!\(none\))/gm)].map((match) => match[1])
  return (
    packages.every((name) => available.includes(name)) &&
    apt(['apt-get', 'download', ...available], { ...lists, cwd }) !== false
  )
}

/** Output of an apt command, or false when it failed. */
function apt([command, ...args], { ownLists = false, cwd = cacheDir } = {}) {
  const state = path.join(cacheDir, 'apt')
  for (const folder of ['lists/partial', 'archives/partial']) mkdirSync(path.join(state, folder), { recursive: true })
  // A file, because a folder with a space in it does not survive `-o`.
  const configFile = path.join(state, ownLists ? 'own-lists.conf' : 'system-lists.conf')
  const settings = { 'Dir::Cache': state, 'APT::Sandbox::User': 'root', 'Debug::NoLocking': 'true' }
  if (ownLists) settings['Dir::State::Lists'] = path.join(state, 'lists')
  writeFileSync(
    configFile,
    Object.entries(settings)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(''),
  )
  const env = { ...process.env, APT_CONFIG: configFile, LC_ALL: 'C' }
  const { status, stdout } = spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 26 })
  return status === 0 ? stdout || '\n' : false
}
