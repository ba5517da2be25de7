// The folder that one `npm start` keeps everything in, and its claim on it.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

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
 * @returns {{ note: (pids: number[]) => void, release: () => void }}
 */
export function claimDataDir(dir) {
  mkdirSync(path.join(dir, 'logs'), { recursive: true, mode: 0o700 })
  const file = path.join(dir, 'run.json')
  const before = readRun(file)
  if (before && isOurs(before.supervisor, 'start.mjs')) {
    throw new Error(`APIGate is already running in this folder (process ${before.supervisor}); stop it first.`)
  }
  for (const pid of before?.services ?? []) if (isOurs(pid, dir, 'apps/')) kill(pid)
  const write = (services) => writeFileSync(file, JSON.stringify({ supervisor: process.pid, services }))
  write([])
  return { note: write, release: () => rmSync(file, { force: true }) }
}

function readRun(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null // none, or torn by a crash
  }
}

/** Whether the process lives and its command line shows that it is the one noted, not a later one of that number. */
function isOurs(pid, ...marks) {
  const { stdout } = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
  const commandLine = stdout ?? readCommandLine(pid)
  return marks.some((mark) => commandLine.includes(mark))
}

function readCommandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it ended by itself meanwhile
  }
}
