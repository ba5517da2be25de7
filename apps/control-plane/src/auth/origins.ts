import { Inject, Injectable } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import type { ControlPlaneConfig } from '../config.ts'
import { CONFIG } from '../settings.module.ts'

/**
 * Where browsers find this API: at the address that a request names (by `X-Forwarded-*`, where they are believed), and at
 * `APIGATE_PUBLIC_URL`.
 */
@Injectable()
export class Origins {
  constructor(@Inject(CONFIG) private readonly config: Pick<ControlPlaneConfig, 'publicOrigins'>) {}

  /** Whether the page that sends the request is one of ours. False without `Origin`, and for `null`. */
  isOwn(request: FastifyRequest): boolean {
    const { origin } = request.headers
    if (origin === undefined) return false
    return origin === originOf(request.protocol, request.host) || this.config.publicOrigins.includes(origin)
  }

  /** Whether the browser speaks TLS, as far as can be told: to us, or to a balancer. */
  isHttps({ protocol, host }: FastifyRequest): boolean {
    const secure = originOf('https', host)
    return protocol === 'https' || (secure !== null && this.config.publicOrigins.includes(secure))
  }
}

/** As browsers write it: lower case, without a default port. Null for what is none. */
function originOf(protocol: string, host: string): string | null {
  const url = URL.parse(`${protocol}://${host}`)
  return url === null || url.origin === 'null' ? null : url.origin
}
