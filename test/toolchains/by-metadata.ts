import { Column, Entity, Id, Ref, type Reference } from 'snapheap'

@Entity({ name: 'customer' })
export class Customer {
  @Id() id!: number
  @Column() name!: string
}

@Entity({ name: 'quote' })
export class Quote {
  @Id() id!: number
  @Column() amount!: number
  @Column() made!: Date
  @Column({ type: 'string', nullable: true }) note!: string | null
  @Ref(() => Customer) customer!: Reference<Customer>
}
