// The folder that one `npm start` keeps everything in, and its claim on it.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const endTimeoutMs = 10_000

/** A secret of this installation: made once, readable by its owner only. */
export function keptSecret(dir, name, make) {
  const file = path.join(dir, name)
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600 })
  return readFileSync(file, 'utf8').trim()
}

export const newEncryptionKey = () => randomBytes(32).toString('base64')
export const newApiKey = () => `ak_${randomBytes(32).toString('hex')}`

/**
 * Claims the folder for this process. What an earlier run left behind when it was killed is ended first.
 *
 * @throws when another run is still alive.
 * @returns {Promise<{ note: (running: { services: number[], database: number | null }) => void, release: () => void }>}
 */
export async function claimDataDir(dir) {
  mkdirSync(path.join(dir, 'logs'), { recursive: true, mode: 0o700 })
  const file = path.join(dir, 'run.json')
  const before = readRun(file)
  if (before && isOurs(before.supervisor, 'start.mjs')) {
    throw new Error(`APIGate is already running in this folder (process ${before.supervisor}); stop it first.`)
  }
  if (before) {
    await Promise.all(before.services.filter((pid) => isOurs(pid, 'apps/')).map((pid) => end(pid, 'SIGKILL')))
    // In this order, and not by force: the database then closes its files properly.
    if (before.database && isOurs(before.database, 'postgres')) await end(before.database, 'SIGINT')
  }
  const note = (running) => writeFileSync(file, JSON.stringify({ supervisor: process.pid, ...running }))
  note({ services: [], database: null })
  return { note, release: () => rmSync(file, { force: true }) }
}

function readRun(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null // none, or torn by a crash
  }
}

/** Whether the process lives and its command line shows that it is the one noted, not a later one of that number. */
function isOurs(pid, mark) {
  const { stdout } = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
  // Minimal images have no `ps`.
  return (stdout ?? readCommandLine(pid)).includes(mark)
}

function readCommandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

/** Resolves when the process is gone. */
async function end(pid, signal) {
  try {
    process.kill(pid, signal)
    for (const deadline = Date.now() + endTimeoutMs; Date.now() < deadline; await sleep(20)) process.kill(pid, 0)
  } catch {
    return // it is gone
  }
  throw new Error(`A process of an earlier run does not end: ${pid}`)
}
