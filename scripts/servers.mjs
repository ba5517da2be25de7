// Throwaway NATS and Redis for the tests.
import { spawn } from 'node:child_process'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { programEnv } from './debian-packages.mjs'
import { freePort } from './ports.mjs'

const startupMs = 15_000

/** @returns {Promise<{ url: string, pid: number, stop: () => void }>} a NATS with JetStream that keeps its data in `dir` */
export function startNats(dir) {
  return startServer('nats', 'nats-server', (port) => ['-js', '-a', '127.0.0.1', '-p', String(port), '-sd', dir])
}

/**
 * @param {string} dir
 * @param {{ keeps?: boolean }} options whether it writes what it has to disk, once a second
 * @returns {Promise<{ url: string, pid: number, stop: () => void }>}
 */
export function startRedis(dir, { keeps = false } = {}) {
  return startServer('redis', 'redis-server', (port) => [
    ...['--bind', '127.0.0.1', '--port', String(port), '--dir', dir],
    ...['--save', '', '--appendonly', keeps ? 'yes' : 'no', '--maxmemory-policy', 'noeviction'],
  ])
}

async function startServer(scheme, binary, argsFor) {
  let output = ''
  for (let attempt = 0; attempt < 3; attempt++) {
    const port = await freePort()
    const child = spawn(binary, argsFor(port), { stdio: ['ignore', 'pipe', 'pipe'], env: programEnv() })
    child.on('error', (error) => (output += error.message))
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => (output = (output + data).slice(-4096)))
    if (await accepts(port, child)) {
      return { url: `${scheme}://127.0.0.1:${port}`, pid: child.pid, stop: () => child.kill('SIGKILL') }
    }
    child.kill('SIGKILL')
  }
  throw new Error(`${binary} did not start:\n${output}`)
}

async function accepts(port, child) {
  const deadline = Date.now() + startupMs
  while (Date.now() < deadline && child.exitCode === null && child.signalCode === null) {
    if (await connects(port)) return true
    await sleep(20)
  }
  return false
}

function connects(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
