import { connect } from 'node:net'
import { waitFor } from '@apigate/testing'
import type { RunningSystem } from '../e2e/system.ts'
import { startRawUpstream, type RawUpstream } from './raw.upstream.ts'
import type { ReadBytes } from './strict.request.ts'
import { putRoutes } from './routes.ts'
import { inLanes, verdict, type Verdict } from './verdict.ts'

export interface HttpRequestCase {
  id: string
  mode: 'accept' | 'reject' | 'reject-body' | 'safe'
  raw_b64: string
  /** Requests that must reach the upstream (`accept`). */
  n?: number
  /** And that may. */
  max?: number
}

const lanes = 48
const quietMs = 250
const waitMs = 6_000

/**
 * Sends each case on a connection of its own, from an address of its own: by `X-Forwarded-For` the upstream knows which case
 * a request came from. Linux only, where all of 127.0.0.0/8 is this machine.
 */
export async function runHttpRequests(system: RunningSystem, cases: readonly HttpRequestCase[]): Promise<Verdict[]> {
  const upstream = await startRawUpstream()
  const routes = await putRoutes(system, [{ path_pattern: '/', upstream: { base_url: upstream.url } }])
  try {
    const answers = await inLanes(cases, lanes, (one, index) => play(system, upstream, one, addressOf(index)))
    // Judged when all is over: what reaches the upstream late counts as well.
    return cases.map((one, index) =>
      verdict(one.id, problemOf(one, answers[index]!, upstream.received(addressOf(index)))),
    )
  } finally {
    await routes.remove()
    await upstream.close()
  }
}

interface ClientSide {
  statuses: number[]
  isClosed: boolean
}

function addressOf(index: number): string {
  return `127.1.${index >> 8}.${index & 255}`
}

async function play(
  system: RunningSystem,
  upstream: RawUpstream,
  { mode, raw_b64, n = 0 }: HttpRequestCase,
  localAddress: string,
): Promise<ClientSide> {
  const { hostname, port } = new URL(system.proxyUrl)
  const socket = connect({ host: hostname, port: Number(port), localAddress, noDelay: true })
  let text = ''
  let isClosed = false
  let newestAtMs = performance.now()
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    newestAtMs = performance.now()
  })
  socket.on('error', () => {})
  socket.on('close', () => (isClosed = true))
  socket.write(Buffer.from(raw_b64, 'base64'))
  const statuses = (): number[] => [...text.matchAll(/^HTTP\/1\.1 ([2-5]\d\d) /gm)].map(([, status]) => Number(status))
  const isQuiet = (): boolean => performance.now() - newestAtMs > quietMs
  const isOver = (): boolean => {
    if (isClosed) return true
    if (mode === 'accept') return isQuiet() && statuses().length >= n && upstream.received(localAddress).length >= n
    if (mode === 'safe') return isQuiet()
    return isQuiet() && statuses().some((status) => status >= 400)
  }
  await waitFor(isOver, { timeoutMs: waitMs }).catch(() => {})
  const result = { statuses: statuses(), isClosed }
  socket.destroy()
  return result
}

/** Why the case is not passed; null = it is. */
function problemOf(
  { mode, n = 0, max = n }: HttpRequestCase,
  client: ClientSide,
  received: readonly ReadBytes[],
): string | null {
  const complete = received.flatMap(({ requests }) => requests)
  const told = `answers ${client.statuses.join(' ') || 'none'}${client.isClosed ? ', closed' : ''}`
  const ambiguous = received.find(({ problem }) => problem !== null)
  if (ambiguous !== undefined) return `the upstream saw ${ambiguous.problem}`
  if (received.some(({ requests }) => requests.length > 1)) return 'one request became several at the upstream'
  const refused = client.isClosed || client.statuses.some((status) => status >= 400 && status < 500)
  switch (mode) {
    case 'accept':
      if (complete.length < n || complete.length > Math.max(n, max))
        return `${complete.length} requests passed; ${told}`
      return client.statuses.filter((status) => status === 200).length >= n ? null : told
    case 'reject':
      if (complete.length > 0) return `${complete.length} requests passed; ${told}`
      return refused ? null : `not refused; ${told}`
    case 'reject-body':
      if (complete.length > 0) return `${complete.length} bodies were completed; ${told}`
      return refused ? null : `not refused; ${told}`
    case 'safe':
      return complete.length <= max ? null : `${complete.length} requests passed, at most ${max} may; ${told}`
  }
}
