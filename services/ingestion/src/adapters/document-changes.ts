/** Announcements of changed documents: one connection that listens for the whole process, fanned out by document. */
import type { Database } from '@wardstone/db';

/** Channel of the trigger in the migration; the payload is a document's id. */
const channel = 'wardstone_document';

export interface DocumentChanges {
  /** Calls back after changes of a document, perhaps for no change, perhaps once for several. Returns what ends it. */
  subscribe(documentId: string, onChange: () => void): () => void;
}

export interface ListeningChanges extends DocumentChanges {
  close(): Promise<void>;
}

export async function listenForChanges(database: Pick<Database, 'listen'>): Promise<ListeningChanges> {
  const subscribers = new Map<string, Set<() => void>>();
  const stop = await database.listen(
    channel,
    (documentId) => {
      for (const onChange of subscribers.get(documentId) ?? []) onChange();
    },
    {
      // What was announced meanwhile is lost: everybody looks again.
      onReconnect: () => {
        for (const group of subscribers.values()) for (const onChange of group) onChange();
      },
    },
  );
  return {
    subscribe(documentId, onChange) {
      const group = subscribers.get(documentId) ?? new Set();
      subscribers.set(documentId, group.add(onChange));
      return () => {
        group.delete(onChange);
        if (group.size === 0 && subscribers.get(documentId) === group) subscribers.delete(documentId);
      };
    },
    close: stop,
  };
}
