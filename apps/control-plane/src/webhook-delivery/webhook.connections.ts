import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'

/** A connection that nobody has used for so long is closed. */
const idleMs = 10_000

/**
 * Connections to receivers, kept for a while: a handshake per event would cost more than the event. Each webhook has its own, so
 * that one that is slow takes no other's, even where two go to the same host. They were opened to addresses that were checked.
 */
export class WebhookConnections {
  /** The one used last is the last. */
  readonly #agents = new Map<string, HttpAgent>()

  /**
   * @param perWebhookMax connections to one webhook.
   * @param webhooksMax whose connections are kept; of the oldest those are closed that wait for another request. What is under way
   * goes on, and its connection is closed when it has waited for as long as any.
   */
  constructor(
    private readonly perWebhookMax: number,
    private readonly webhooksMax: number,
  ) {}

  to(webhookId: string, protocol: string): HttpAgent {
    const name = `${webhookId} ${protocol}`
    const options = { keepAlive: true, maxSockets: this.perWebhookMax, timeout: idleMs }
    const agent = this.#agents.get(name) ?? (protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options))
    this.#agents.delete(name)
    this.#agents.set(name, agent)
    if (this.#agents.size > this.webhooksMax) this.#closeOldest()
    return agent
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy()
    this.#agents.clear()
  }

  #closeOldest(): void {
    for (const [name, agent] of this.#agents) {
      for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy()
      this.#agents.delete(name)
      return
    }
  }
}
