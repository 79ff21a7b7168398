import { Column, Entity, Id, Ref } from '../../src/index'

@Entity()
export class Country {
  @Id() code!: string
  @Column() name!: string
  @Column() continent!: string
  @Column({ type: 'string', nullable: true }) capital!: string | null
}

@Entity()
export class City {
  @Id() id!: number
  @Column() name!: string
  @Ref(() => Country) country!: Country
  @Column({ type: 'integer' }) population!: number
  @Column() latitude!: number
  @Column() longitude!: number
}
