import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { waitFor } from '@apigate/testing'
import type { RunningSystem } from '../e2e/system.ts'
import { putRoutes } from './routes.ts'
import { inLanes, verdict, type Verdict } from './verdict.ts'

export interface LlmStreamCase {
  id: string
  content_type: string
  /** The bytes of the answer. */
  wire: string
  /** The usage that it tells; null = none. */
  expect: Record<string, number> | null
}

/** Of the pieces that the upstream sends; 0 = all at once. */
const pieceBytes = [1, 7, 200, 0]
/** A unit count that no stream tells. */
const nothing = 987_654_321
const lanes = 12

/** Streams each case through a route for each of its numbers, whose units are that number, and reads the ledger. */
export async function runLlmStreams(system: RunningSystem, cases: readonly LlmStreamCase[]): Promise<Verdict[]> {
  if (cases.length === 0) return []
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? '', 'http://x').searchParams
    const { wire, content_type } = cases[Number(query.get('case'))]!
    response.writeHead(200, { 'content-type': content_type })
    void stream(Buffer.from(wire), Number(query.get('piece')), (piece) => response.write(piece)).then(() =>
      response.end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const upstream = { base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  const names = [...new Set(cases.flatMap(({ expect }) => Object.keys(expect ?? { input_tokens: 0 })))]
  const routes = await putRoutes(
    system,
    names.map((name) => ({
      ...{ path_pattern: `/llm/${name}`, protocol: 'sse', metering_mode: 'custom', upstream },
      metering_expr: `sse.usage.${name} ?? ${nothing}`,
    })),
  )
  try {
    const asked = cases.flatMap(({ expect }, index) =>
      Object.entries(expect ?? { input_tokens: nothing }).flatMap(([name, units]) =>
        pieceBytes.map((piece) => ({ index, name, units, piece, id: `llm-${index}-${name}-${piece}` })),
      ),
    )
    await inLanes(asked, lanes, async ({ index, name, piece, id }) => {
      const answer = await fetch(`${system.proxyUrl}/llm/${name}?case=${index}&piece=${piece}`, {
        headers: { 'x-request-id': id },
      })
      await answer.arrayBuffer()
    })
    const units = await unitsInLedger(system, asked.length)
    return cases.map(({ id }, index) => {
      const wrong = asked.find((one) => one.index === index && units.get(one.id) !== one.units)
      if (wrong === undefined) return verdict(id, null)
      const problem = `in pieces of ${wrong.piece || 'all'} bytes ${wrong.name} is ${units.get(wrong.id)}, not ${wrong.units}`
      return verdict(id, problem)
    })
  } finally {
    await routes.remove()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

async function stream(wire: Buffer, piece: number, write: (bytes: Buffer) => void): Promise<void> {
  for (let at = 0; at < wire.length; at += piece || wire.length) {
    write(wire.subarray(at, at + (piece || wire.length)))
    await turn()
  }
}

/** Units by request id, when the ledger has that many of ours. */
async function unitsInLedger(system: RunningSystem, count: number): Promise<Map<string, number>> {
  return waitFor(
    async () => {
      const units = new Map<string, number>()
      for (let page = 1, pages = 1; page <= pages && units.size < count; page++) {
        const query = `page[size]=100&page[number]=${page}&sort=-created_at`
        const { document } = await system.admin('GET', `/api/usage-events?${query}`)
        pages = Math.min(document.meta.pages, Math.ceil(count / 100) + 1)
        for (const { attributes } of document.data) {
          if (String(attributes.request_id).startsWith('llm-'))
            units.set(attributes.request_id, attributes.metered_units)
        }
      }
      return units.size >= count ? units : null
    },
    { timeoutMs: 15_000, what: `${count} events in the ledger` },
  )
}
