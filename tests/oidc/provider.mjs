// A real OpenID Connect provider on 127.0.0.1, for tests: provider.mjs PORT KEY.pem CERTIFICATE.pem ALGORITHM
// Who signs in says a name, and is that. It has one client, "tmtp".
import fs from "node:fs";
import https from "node:https";
import Provider from "oidc-provider";
import { exportJWK, generateKeyPair } from "jose";

const [port, key, certificate, algorithm] = process.argv.slice(2);
const issuer = `https://127.0.0.1:${port}`;
const pair = await generateKeyPair(algorithm, { extractable: true });
const provider = new Provider(issuer, {
    clients: [{
        client_id: "tmtp", application_type: "native", token_endpoint_auth_method: "none", grant_types: ["authorization_code"],
        response_types: ["code"], redirect_uris: ["http://127.0.0.1/sign-in"], id_token_signed_response_alg: algorithm,
    }],
    jwks: { keys: [{ ...await exportJWK(pair.privateKey), alg: algorithm, use: "sig", kid: "one" }] },
    pkce: { required: () => true, methods: ["S256"] },
    cookies: { keys: ["a test"] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) }, provider.callback())
    .listen(Number(port), "127.0.0.1", () => console.log(issuer));
