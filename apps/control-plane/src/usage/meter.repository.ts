import { Injectable } from '@nestjs/common'
import { Database } from '../persistence/index.ts'

export interface MeteredOwner {
  userId: string | null
  groupId: string | null
  planId: string
}

@Injectable()
export class MeterRepository {
  constructor(private readonly database: Database) {}

  /** Users, groups and the owners of keys, by id. What does not exist is not in the map. */
  async owners(ids: readonly string[]): Promise<Map<string, MeteredOwner>> {
    const { rows } = await this.database.pool.query<{
      id: string
      user_id: string | null
      group_id: string | null
      plan_id: string
    }>(
      `SELECT id, id AS user_id, NULL AS group_id, plan_id FROM users WHERE id = ANY($1)
       UNION ALL SELECT id, NULL, id, plan_id FROM groups WHERE id = ANY($1)
       UNION ALL SELECT api_keys.id, api_keys.user_id, api_keys.group_id, coalesce(users.plan_id, groups.plan_id)
       FROM api_keys LEFT JOIN users ON users.id = api_keys.user_id LEFT JOIN groups ON groups.id = api_keys.group_id
       WHERE api_keys.id = ANY($1) AND coalesce(users.plan_id, groups.plan_id) IS NOT NULL`,
      [ids],
    )
    return new Map(
      rows.map(({ id, user_id, group_id, plan_id }) => [id, { userId: user_id, groupId: group_id, planId: plan_id }]),
    )
  }
}
