import { Controller, Get, Param, Res } from '@nestjs/common'
import { ApiError } from '@apigate/errors'
import type { FastifyReply } from 'fastify'
import { Public } from '../auth/index.ts'
import { Describe } from '../jsonapi/index.ts'
import { docsFile, docsPage, docsPolicy } from './docs.page.ts'

/** A page to browse the API's description with. It is public, as that is; trying an endpoint out takes a key or a session. */
@Controller('docs')
export class DocsController {
  @Get()
  @Public()
  @Describe({
    summary: 'A page to browse this description with',
    operationId: 'getDocs',
    answer: { mediaType: 'text/html', schema: { type: 'string' } },
  })
  page(@Res() reply: FastifyReply): void {
    void reply
      .headers({ 'content-type': 'text/html; charset=utf-8', 'content-security-policy': docsPolicy })
      .header('referrer-policy', 'no-referrer')
      .send(docsPage)
  }

  @Get(':file')
  @Public()
  @Describe({
    summary: 'A file of the page',
    operationId: 'getDocsFile',
    answer: { mediaType: 'text/javascript', schema: { type: 'string' } },
  })
  file(@Param('file') name: string, @Res() reply: FastifyReply): void {
    const file = docsFile(name)
    if (!file) throw ApiError.of('not_found', `the page has no file "${name}"`)
    void reply
      // The same for everybody; after an update at most that old.
      .headers({ 'content-type': `${file.type}; charset=utf-8`, 'cache-control': 'public, max-age=3600' })
      .send(file.body)
  }
}
