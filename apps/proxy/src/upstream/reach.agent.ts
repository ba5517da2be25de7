import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isIP } from 'node:net'
import type { Reach } from '@apigate/platform'

/** Connections, each for one request, that go only where they may. */
export function reachAgent(reach: Reach, protocol: string): HttpAgent {
  const agent = new (protocol === 'https:' ? HttpsAgent : HttpAgent)({ lookup: reach.lookup })
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const host = 'host' in options ? (options.host ?? '') : ''
    if (isIP(host) === 0 || reach.permits(host)) return connect(options, callback)
    // An address is not looked up.
    process.nextTick(() => callback?.(new Error(`${host} is not where upstreams may be`), undefined as never))
    return undefined
  }
  return agent
}
