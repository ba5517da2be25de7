import { Module, type DynamicModule } from '@nestjs/common'
