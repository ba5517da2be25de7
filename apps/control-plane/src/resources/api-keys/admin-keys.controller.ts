import { Controller, Delete } from '@nestjs/common'
import { CurrentActor, type Actor } from '../../auth/index.ts'
import { deletedAnswer, Describe, FromBarePath, type Answer } from '../../jsonapi/index.ts'
import { apiKeyResource } from './api-keys.resource.ts'
import { ApiKeysService } from './api-keys.service.ts'

/** Where `/admin` is not `/api` under another name: its DELETE revokes a key, so that the row stays for the records. */
@Controller('/admin/keys')
export class AdminKeysController {
  constructor(private readonly keys: ApiKeysService) {}

  @Delete(':id')
  @Describe({ summary: 'Revoke an api key', operationId: 'revokeApiKeyByDelete' })
  async revoke(@FromBarePath(apiKeyResource) id: string, @CurrentActor() actor: Actor): Promise<Answer> {
    return deletedAnswer(await this.keys.revoke(id, actor))
  }
}
