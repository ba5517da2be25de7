-- Members in the order of their collection, of all groups and of one.
CREATE INDEX "group_members_created_at_id_idx" ON "group_members"("created_at", "id");
CREATE INDEX "group_members_group_id_created_at_id_idx" ON "group_members"("group_id", "created_at", "id");
