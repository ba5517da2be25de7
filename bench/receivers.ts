import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * Receivers of webhooks, each on a port of its own, as the argument says: a JSON list of `ok`, `refused`, `hangs`, `fails`.
 * Answers `{ urls }`, and to each message how many events have come, and how many of them again.
 */
const behaviours = JSON.parse(process.argv[2] ?? '[]') as string[]
const seen = new Set<string>()
let repeats = 0

const ok: RequestListener = (request, response) => {
  const id = String(request.headers['webhook-id'])
  if (seen.has(id)) repeats += 1
  else seen.add(id)
  request.resume()
  request.on('end', () => response.end('ok'))
}
const hangs: RequestListener = (request) => void request.resume()
const fails: RequestListener = (request, response) => {
  request.resume()
  request.on('end', () => response.writeHead(500).end('no'))
}

const urls = await Promise.all(
  behaviours.map(async (behaviour) => {
    const server = createServer(behaviour === 'hangs' ? hangs : behaviour === 'fails' ? fails : ok)
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const { port } = server.address() as AddressInfo
    if (behaviour === 'refused') server.close()
    return `http://127.0.0.1:${port}/hook`
  }),
)
process.on('message', () => process.send?.({ events: seen.size, repeats }))
process.send?.({ urls })
