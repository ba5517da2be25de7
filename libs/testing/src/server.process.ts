import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { waitFor } from './wait.ts'

/** A server that a test may kill. Its port and data stay the same over `kill` and `start`. */
export interface ServerProcess {
  readonly url: string
  start(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP: connections stay, nothing answers, until `resume`. */
  pause(): void
  resume(): void
  /** Kills it and removes its data. */
  remove(): Promise<void>
}

/** A NATS server with JetStream, not yet started. */
export function aNatsServer(): Promise<ServerProcess> {
  return aServer('nats', 'nats-server', (port, dir) => ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', dir])
}

/** A Redis server, not yet started. */
export function aRedisServer(): Promise<ServerProcess> {
  return aServer('redis', 'redis-server', (port, dir) => {
    return ['--bind', '127.0.0.1', '--port', String(port), '--dir', dir, '--appendonly', 'yes', '--save', '']
  })
}

async function aServer(
  scheme: string,
  command: string,
  args: (port: number, dir: string) => string[],
): Promise<ServerProcess> {
  const dir = await mkdtemp(path.join(tmpdir(), 'apigate-server-'))
  // Below the range of ports that systems give to outgoing connections.
  const port = 15_000 + Math.floor(Math.random() * 15_000)
  let child: ChildProcess | null = null
  const server: ServerProcess = {
    url: `${scheme}://127.0.0.1:${port}`,
    async start() {
      const started = spawn(command, args(port, dir), { stdio: 'ignore' })
      child = started
      started.on('error', () => {})
      await waitFor(() => answers(port), { timeoutMs: 10_000, what: `${command} on port ${port}` })
    },
    async kill() {
      if (child === null || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async remove() {
      await server.kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
  return server
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
