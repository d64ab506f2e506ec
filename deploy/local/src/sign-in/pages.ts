/** The only page: a form, no script, nothing loaded from anywhere. Every value that comes from outside is escaped. */
export function signInPage(options: { readonly action: string; readonly failed: boolean }): string {
  return page(
    'Sign in',
    `<h1>Wardstone</h1>
    <p>Development sign-in. The users and their passwords stand in the state folder's <code>sign-in/accounts.json</code>.</p>
    ${options.failed ? '<p role="alert" class="failed">That user name and password do not belong together.</p>' : ''}
    <form method="post" action="${escapeHtml(options.action)}">
      <label>User name <input name="username" autocomplete="username" required autofocus maxlength="200"></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" required maxlength="200"></label>
      <button>Sign in</button>
    </form>`,
  );
}

/** Shown instead of a form that is no longer good: an expired or foreign interaction, or too many attempts. */
export function messagePage(message: string): string {
  return page('Sign in', `<h1>Wardstone</h1><p>${escapeHtml(message)}</p>`);
}

/** The policy that belongs to these pages: nothing is loaded, framed or scripted. */
export const contentSecurityPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>${title}</title>
  <style>
    body { font: 1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 4rem auto; padding: 0 1rem; }
    label { display: block; margin: 1rem 0; }
    input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .4rem; }
    button { font: inherit; padding: .4rem 1rem; }
    .failed { color: #a00; }
  </style>
  <body>
    ${body}
  </body>
</html>
`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
