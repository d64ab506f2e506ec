import pg from 'pg';

/**
 * A client whose loss never ends the process. pg emits 'error' when the server ends a connection, and an 'error' that
 * nobody listens to is thrown; both pg's pool while a client is lent out and the libraries above it leave such moments.
 * Whoever uses the client learns of the loss from the query that fails.
 */
export class SteadyClient extends pg.Client {
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'error' && this.listenerCount('error') === 0) return false;
    return super.emit(event, ...args);
  }
}
