import { Column, Entity, Id, Ref, type Reference } from 'snapheap'

@Entity({ name: 'customer' })
export class Customer {
  @Id({ type: 'integer' }) id!: number
  @Column({ type: 'string' }) name!: string
}

@Entity({ name: 'quote' })
export class Quote {
  @Id({ type: 'integer' }) id!: number
  @Column({ type: 'number' }) amount!: number
  @Column({ type: 'timestamp' }) made!: Date
  @Column({ type: 'string', nullable: true }) note!: string | null
  @Ref(() => Customer) customer!: Reference<Customer>
}
