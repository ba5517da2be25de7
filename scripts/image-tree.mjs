// `npm run image-tree`: what `docker build` would put into each image, made by the Dockerfile's own steps without a container
// engine, and started from there: by the image's command, as nobody, on files that nobody can write. The last line is the count.
import { spawn, spawnSync } from 'node:child_process'
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { newApiKey, newEncryptionKey } from './data-dir.mjs'
import { readDockerfile } from './dockerfile.mjs'
import { startEmbeddedPostgres } from './embedded-postgres.mjs'
import { freePort } from './ports.mjs'

const root = path.resolve(import.meta.dirname, '..')
/** Whom the images name, and who cannot be asked to be root here. */
const user = process.getuid?.() === 0 ? { uid: 65_532, gid: 65_532 } : {}
const readyMs = 60_000
const scratch = mkdtempSync(path.join(os.tmpdir(), 'apigate-image-'))
const stages = readDockerfile(path.join(root, 'Dockerfile'))
const running = []
let [passed, failed] = [0, 0]

/** Where a path of a stage lies here. */
const placeOf = (stage, file) => path.join(scratch, stage, file)

function ignored() {
  const lines = readFileSync(path.join(root, '.dockerignore'), 'utf8').split('\n').filter(Boolean)
  return (file) => {
    const relative = path.relative(root, file)
    return lines.some((line) => path.matchesGlob(relative, line) || path.matchesGlob(relative, `${line}/**`))
  }
}

const local = (port) => `http://127.0.0.1:${port}`

/** The files of a stage, as its steps make them; those of the base image are this machine's. */
function assemble({ name, steps }) {
  const isIgnored = ignored()
  let workdir = '/'
  const envs = {}
  for (const { word, text } of steps) {
    if (word === 'WORKDIR') {
      workdir = text
      mkdirSync(placeOf(name, workdir), { recursive: true })
    } else if (word === 'COPY') {
      const [first, ...others] = text.split(/\s+/)
      const from = /^--from=(.+)$/.exec(first)?.[1]
      const parts = from === undefined ? [first, ...others] : others
      const target = parts.pop()
      const to = placeOf(name, path.resolve(workdir, target))
      for (const part of parts) {
        const source = from === undefined ? path.join(root, part) : placeOf(from, part)
        const isIntoFolder = target.endsWith('/') || parts.length > 1
        cpSync(source, isIntoFolder ? path.join(to, path.basename(part)) : to, {
          recursive: true,
          verbatimSymlinks: true,
          filter: (file) => from !== undefined || !isIgnored(file),
        })
      }
    } else if (word === 'RUN') {
      // The only steps on the base image itself take things away from it.
      if (name === 'runtime') continue
      const command = text.replaceAll(/(^|[\s"=])\/(src|out)\b/g, (_, before, dir) => `${before}${placeOf(name, dir)}`)
      const { status, stdout, stderr } = spawnSync('sh', ['-ec', command], {
        cwd: placeOf(name, workdir),
        encoding: 'utf8',
        env: { ...process.env, ...envs, CI: 'true' },
        maxBuffer: 1 << 28,
      })
      if (status !== 0) throw new Error(`a step of the Dockerfile failed: RUN ${text}\n${stdout}${stderr}`)
    }
  }
}

/** What a target says of itself, with what the stages that it is made from say. */
function settingsOf(name) {
  const stage = stages.find((each) => each.name === name)
  const before = stages.some((each) => each.name === stage.from)
    ? settingsOf(stage.from)
    : { env: {}, cmd: null, user: 'root' }
  for (const { word, text } of stage.steps) {
    if (word === 'ENV') for (const [, key, value] of text.matchAll(/(\w+)=(\S+)/g)) before.env[key] = value
    if (word === 'CMD') before.cmd = JSON.parse(text)
    if (word === 'USER') before.user = text
    if (word === 'WORKDIR') before.workdir = text
  }
  return before
}

/** Starts a command of an image as a container would. `done` resolves with the exit code, `output` is what it has said. */
function start(target, command, env) {
  const image = settingsOf(target)
  if (!/^[1-9]/.test(image.user)) throw new Error(`${target} runs as ${image.user}`)
  const [file, ...args] = command ?? image.cmd
  if (file !== 'node') throw new Error(`${target} starts ${file}`)
  const child = spawn(process.execPath, args, {
    cwd: placeOf(target, image.workdir),
    // Nothing of this machine's environment; nowhere to write but where a volume would be.
    env: { ...image.env, TMPDIR: '/nonexistent', HOME: '/nonexistent', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user,
  })
  const begun = { output: '', done: new Promise((resolve) => child.once('exit', resolve)), stop: () => child.kill() }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (begun.output += text))
  running.push(begun)
  return begun
}

async function check(what, work) {
  try {
    await work()
    passed += 1
    console.log(`ok      ${what}`)
  } catch (error) {
    failed += 1
    console.log(`FAILED  ${what}\n${error.message}`)
  }
}

/** It answers 200 there, and ends with 0 when it is told to. */
async function serves(begun, url) {
  for (const deadline = Date.now() + readyMs; Date.now() < deadline; await sleep(100)) {
    const ended = await Promise.race([begun.done, sleep(0, 'runs')])
    if (ended !== 'runs') throw new Error(`it ended with ${ended}:\n${begun.output}`)
    if ((await fetch(url).catch(() => null))?.ok) return
  }
  throw new Error(`nothing at ${url} in ${readyMs} ms:\n${begun.output}`)
}

async function main() {
  console.log(`assembling in ${scratch}`)
  for (const stage of stages) assemble(stage)
  const targets = stages.filter(({ steps }) => steps.some(({ word }) => word === 'CMD')).map(({ name }) => name)
  for (const target of targets) {
    const app = placeOf(target, 'app')
    // As a read-only file system is: of somebody else, and nothing writable.
    if (user.uid) chownSync(scratch, 0, 0)
    for (const mode of [
      ['-R', 'a+rX', scratch],
      ['-R', 'a-w', app],
    ])
      spawnSync('chmod', mode)
    await check(`${target} holds no sources, tests, compilers or links that lead out`, () => {
      const unwanted = [
        '-path',
        '*/@apigate/*/src',
        '-o',
        '-name',
        'typescript',
        '-o',
        '-name',
        'vitest',
        '-o',
        '-xtype',
        'l',
      ]
      const found = spawnSync('find', [app, ...unwanted], { encoding: 'utf8' }).stdout.trim()
      if (found !== '') throw new Error(found)
      if (existsSync(path.join(app, 'src'))) throw new Error('src')
    })
  }
  const database = await startEmbeddedPostgres({ dir: path.join(scratch, 'postgres'), ephemeral: true })
  running.push({ stop: () => database.stop(), done: null })
  const ports = { admin: await freePort(), jobs: await freePort(), proxy: await freePort(), status: await freePort() }
  const env = {
    DATABASE_URL: database.url,
    APIGATE_ENCRYPTION_KEY: newEncryptionKey(),
    APIGATE_ADMIN_KEY: newApiKey(),
    APIGATE_ADMIN_PORT: String(ports.admin),
    APIGATE_JOBS_STATUS_PORT: String(ports.jobs),
    APIGATE_DRAIN_SECONDS: '0',
  }
  const volume = path.join(scratch, 'volume')
  mkdirSync(volume)
  if (user.uid) chownSync(volume, user.uid, user.gid)
  await check('migrate brings an empty database up to date and ends with 0', async () => {
    const migrate = start('control-plane', ['node', 'dist/main.migrate.js'], env)
    const code = await migrate.done
    if (code !== 0) throw new Error(`it ended with ${code}:\n${migrate.output}`)
  })
  const ofProxy = {
    APIGATE_PROXY_PORT: String(ports.proxy),
    APIGATE_STATUS_PORT: String(ports.status),
    APIGATE_DATA_DIR: volume,
  }
  const echoPort = await freePort()
  const services = [
    { name: 'control-plane: api', started: start('control-plane', null, env), url: `${local(ports.admin)}/readyz` },
    {
      name: 'control-plane: jobs',
      started: start('control-plane', ['node', 'dist/main.jobs.js'], env),
      url: `${local(ports.jobs)}/readyz`,
    },
    { name: 'proxy', started: start('proxy', null, { ...env, ...ofProxy }), url: `${local(ports.status)}/readyz` },
    {
      name: 'echo',
      started: start('echo', ['node', 'dist/main.js', String(echoPort), '127.0.0.1'], {}),
      url: `${local(echoPort)}/`,
    },
  ]
  for (const { name, started, url } of services) {
    await check(`${name} becomes ready`, () => serves(started, url))
  }
  await check('the page of the API documentation is whole', async () => {
    const page = await fetch(`${local(ports.admin)}/docs`).then((response) => response.text())
    for (const [, file] of page.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)) {
      const { status } = await fetch(new URL(file, `${local(ports.admin)}/docs`))
      if (status !== 200) throw new Error(`${file}: ${status}`)
    }
  })
  for (const { name, started } of services.toReversed()) {
    await check(`${name} ends with 0 when it is told to`, async () => {
      started.stop()
      const code = await started.done
      if (code !== 0) throw new Error(`it ended with ${code}:\n${started.output}`)
    })
  }
}

try {
  await main()
} catch (error) {
  failed += 1
  console.error(`\nAPIGate: ${error.message}\n`)
} finally {
  for (const { stop } of running.toReversed()) await stop()
  spawnSync('chmod', ['-R', 'u+w', scratch])
  rmSync(scratch, { recursive: true, force: true })
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)
