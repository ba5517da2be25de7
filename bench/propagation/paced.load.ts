import net from 'node:net'
import { CalmTimes } from './calm.times.ts'

/**
 * Requests at a steady pace over keep-alive connections, on bare sockets. A request's latency counts from the moment when it
 * was due, so that a worker that stands still is seen by all who would have asked meanwhile. Talks over the process channel.
 */
export interface PacedOrder {
  ports: number[]
  path: string
  keys: string[]
  perSecond: number
}

export interface PacedReport {
  requests: number
  statuses: Record<string, number>
  p50Ms: number
  p99Ms: number
  maxMs: number
  /** Of those that the host of the machine did not disturb; and the share of the cores' time that it took. */
  calm: { requests: number; p50Ms: number; p99Ms: number }
  stolenShare: number
}

interface Connection {
  socket: net.Socket
  dueMs: number
  received: string
}

const connectionsPerPort = 16
let latenciesMs: number[] = []
/** When each of them was answered, Unix ms. */
let answeredAtMs: number[] = []
const calmTimes = new CalmTimes()
let statuses: Record<string, number> = {}
let timer: NodeJS.Timeout | null = null

async function start({ ports, path, keys, perSecond }: PacedOrder): Promise<void> {
  const idle: Connection[][] = await Promise.all(
    ports.map((port) => Promise.all(Array.from({ length: connectionsPerPort }, () => open(port)))),
  )
  const waiting: number[][] = ports.map(() => [])
  const startedMs = performance.now()
  let sent = 0

  function send(port: number, dueMs: number): void {
    const connection = idle[port]!.pop()
    if (connection === undefined) {
      waiting[port]!.push(dueMs)
      return
    }
    connection.dueMs = dueMs
    const key = keys[sent % keys.length]
    connection.socket.write(`GET ${path} HTTP/1.1\r\nHost: bench.test\r\nX-API-Key: ${key}\r\n\r\n`)
  }

  async function open(port: number): Promise<Connection> {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    const connection: Connection = { socket, dueMs: 0, received: '' }
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    socket.on('error', () => {})
    socket.on('close', () => (statuses['closed'] = (statuses['closed'] ?? 0) + 1))
    socket.on('data', (data) => {
      connection.received += data.toString('latin1')
      const headEnd = connection.received.indexOf('\r\n\r\n')
      if (headEnd === -1) return
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(connection.received)?.[1] ?? 0)
      if (connection.received.length < headEnd + 4 + length) return
      latenciesMs.push(performance.now() - connection.dueMs)
      answeredAtMs.push(Date.now())
      const status = connection.received.slice(9, 12)
      statuses[status] = (statuses[status] ?? 0) + 1
      connection.received = ''
      const place = ports.indexOf(port)
      idle[place]!.push(connection)
      const dueMs = waiting[place]!.shift()
      if (dueMs !== undefined) send(place, dueMs)
    })
    return connection
  }

  timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedMs) * perSecond) / 1_000)
    for (; sent < due; sent++) send(sent % ports.length, startedMs + (sent * 1_000) / perSecond)
  }, 1)
}

function at(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

/** What was measured since the last report. */
function report(): PacedReport {
  const all = Float64Array.from(latenciesMs).toSorted()
  const isCalm = (latencyMs: number, n: number): boolean => {
    const answered = answeredAtMs[n]!
    return calmTimes.areCalm(answered - latencyMs, answered)
  }
  const calm = Float64Array.from(latenciesMs.filter(isCalm)).toSorted()
  const result = {
    ...{ requests: all.length, statuses, p50Ms: at(all, 0.5), p99Ms: at(all, 0.99), maxMs: at(all, 1) },
    calm: { requests: calm.length, p50Ms: at(calm, 0.5), p99Ms: at(calm, 0.99) },
    stolenShare: calmTimes.stolenShare(),
  }
  latenciesMs = []
  answeredAtMs = []
  statuses = {}
  return result
}

process.on('message', (order: PacedOrder | 'report' | 'stop') => {
  if (order === 'report') process.send?.(report())
  else if (order === 'stop') clearInterval(timer ?? undefined)
  else void start(order).then(() => process.send?.('started'))
})
process.send?.('ready')
