import net from 'node:net'
import { requestsOf, type Scale, type Scenario } from './requests.ts'

/**
 * A closed loop of requests over keep-alive connections, on bare sockets so that the generator costs little beside what
 * is measured. Answers must carry Content-Length. Prints nothing; talks over the process channel.
 */
export interface LoadOrder {
  port: number
  scenario: Scenario
  scale: Scale
  connections: number
  requests: number
}

export interface LoadReport {
  seconds: number
  /** Answers by status code. */
  statuses: Record<string, number>
}

const headEnd = Buffer.from('\r\n\r\n')
const pools = new Map<string, Buffer[]>()

function poolOf({ scenario, scale }: LoadOrder): Buffer[] {
  const name = JSON.stringify([scenario, scale])
  const pool = pools.get(name) ?? requestsOf(scenario, scale)
  pools.set(name, pool)
  return pool
}

function run(order: LoadOrder): Promise<LoadReport> {
  const pool = poolOf(order)
  const statuses: Record<string, number> = {}
  let sent = 0
  let open = order.connections
  const startedAt = process.hrtime.bigint()

  return new Promise((resolve, reject) => {
    for (let n = 0; n < order.connections; n++) {
      const socket = net.connect({ port: order.port, host: '127.0.0.1', noDelay: true })
      let head: Buffer = Buffer.alloc(0)
      /** Of the answer, when its head is here. */
      let bytesLeft = 0
      const next = (): void => {
        if (sent < order.requests) socket.write(pool[sent++ % pool.length]!)
        else {
          socket.destroy()
          open--
          if (open === 0) resolve({ seconds: Number(process.hrtime.bigint() - startedAt) / 1e9, statuses })
        }
      }
      socket.on('connect', next)
      socket.on('error', reject)
      socket.on('end', () => reject(new Error('the server closed a connection')))
      socket.on('data', (data: Buffer) => {
        if (bytesLeft === 0) {
          head = head.length === 0 ? data : Buffer.concat([head, data])
          const end = head.indexOf(headEnd)
          if (end < 0) return
          const text = head.toString('latin1', 0, end)
          const status = text.slice(9, 12)
          statuses[status] = (statuses[status] ?? 0) + 1
          bytesLeft = end + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0) - head.length
          head = Buffer.alloc(0)
        } else bytesLeft -= data.length
        if (bytesLeft === 0) next()
      })
    }
  })
}

process.on('message', (order: LoadOrder) => {
  run(order).then(
    (report) => process.send?.({ report }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.send?.({ ready: 0 })
