// Signs requests by the profile lgsp-v1 (RFC 9421, HMAC-SHA-256). Needs Java 17 or later and nothing but the JDK.
//
//   java -Dfile.encoding=UTF-8 Sign.java --self-test   reproduces the worked example of the connection guide; needs no cluster
//   java -Dfile.encoding=UTF-8 Sign.java               takes a small packet the whole way: sends, fetches and confirms it
//
// (From Java 18 on UTF-8 is the default.) The second reads LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE, LGSP_UNIT and, unless the system trusts the
// nodes, LGSP_CA.

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.*;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.time.Instant;
import java.util.*;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Sign {
    /** Headers that change what a request means: where one is sent, it is signed too. */
    static final Set<String> COVERED = Set.of("authorization", "idempotency-key", "packet-digest", "upload-length",
        "upload-offset", "upload-metadata", "upload-concat");

    /** Signs requests. The secret is the text as it was issued: it is not decoded. */
    record Signer(String key, String secret) {
        /** The headers to add to a request; `headers` are the ones that it has already, `body` may be null. */
        Map<String, String> sign(String method, URI url, Map<String, String> headers, byte[] body)
                throws GeneralSecurityException {
            var nonce = new byte[16];
            new SecureRandom().nextBytes(nonce);
            return sign(method, url, headers, body, Instant.now().getEpochSecond(), HexFormat.of().formatHex(nonce));
        }

        Map<String, String> sign(String method, URI url, Map<String, String> headers, byte[] body, long created,
                String nonce) throws GeneralSecurityException {
            var added = new LinkedHashMap<String, String>();
            var components = new LinkedHashMap<String, String>();
            components.put("@method", method);
            components.put("@target-uri", normal(url).toASCIIString());
            if (body != null) {
                var digest = "sha-256=:" + Base64.getEncoder().encodeToString(sha256(body)) + ":";
                added.put("Content-Digest", digest);
                components.put("content-digest", digest);
            }
            headers.forEach((name, value) -> {
                var lower = name.toLowerCase(Locale.ROOT);
                if (COVERED.contains(lower)) components.put(lower, value.strip());
            });
            var names = components.keySet().stream().map(name -> '"' + name + '"').collect(Collectors.joining(" "));
            var params = "(" + names + ");created=" + created + ";nonce=\"" + nonce + "\";keyid=\"" + key
                + "\";tag=\"lgsp-v1\"";
            components.put("@signature-params", params);
            var base = components.entrySet().stream().map(line -> '"' + line.getKey() + "\": " + line.getValue())
                .collect(Collectors.joining("\n"));
            var mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.US_ASCII), "HmacSHA256"));
            var signature = mac.doFinal(base.getBytes(StandardCharsets.UTF_8));
            added.put("Signature-Input", "lgsp=" + params);
            added.put("Signature", "lgsp=:" + Base64.getEncoder().encodeToString(signature) + ":");
            return added;
        }

        /** The target as the node sees it: host in lower case, no default port, at least one slash. */
        static URI normal(URI url) {
            var port = url.getPort() == -1 || url.getPort() == 443 ? "" : ":" + url.getPort();
            var path = url.getRawPath().isEmpty() ? "/" : url.getRawPath();
            var query = url.getRawQuery() == null ? "" : "?" + url.getRawQuery();
            return URI.create("https://" + url.getHost().toLowerCase(Locale.ROOT) + port + path + query);
        }
    }

    /** An answer that is an error (RFC 9457). Go by its `word` or `code`; `retryable` tells whether to try again. */
    static class Problem extends IOException {
        private static final long serialVersionUID = 1;
        final int status;
        final String json;

        Problem(int status, String json) {
            super("%d %s: %s (trace_id %s)".formatted(status, member(json, "code"), member(json, "detail"), member(json, "trace_id")));
            this.status = status;
            this.json = json;
        }
    }

    record Client(String url, Signer signer, HttpClient http) {
        /** `ca` is the file of the authority to trust instead of the system's; null for those. */
        static Client open(String url, String key, Path secretFile, Path ca)
                throws IOException, GeneralSecurityException {
            // Some editors put a byte order mark before the secret, or a line break behind it; neither is part of it.
            var secret = Files.readString(secretFile).replaceFirst("^\uFEFF", "").replaceFirst("[\r\n]+$", "");
            var http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10));
            if (ca != null) http.sslContext(trusting(ca));
            return new Client(url.replaceFirst("/+$", ""), new Signer(key, secret), http.build());
        }

        private static SSLContext trusting(Path ca) throws IOException, GeneralSecurityException {
            var trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null, null);
            try (var pem = Files.newInputStream(ca)) { // after a rotation there may be several
                for (var one : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                    trusted.setCertificateEntry("lgsp-" + trusted.size(), one);
                }
            }
            var managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            managers.init(trusted);
            var context = SSLContext.getInstance("TLS");
            context.init(null, managers.getTrustManagers(), null);
            return context;
        }

        /** Sends one signed request. Every attempt is signed anew: to try again is to call again. */
        HttpResponse<byte[]> call(String method, String path, Map<String, String> headers, byte[] body)
                throws IOException, InterruptedException, GeneralSecurityException {
            var target = Signer.normal(URI.create(url + path));
            var request = HttpRequest.newBuilder(target).timeout(Duration.ofSeconds(30))
                .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
            if (body != null) request.setHeader("Content-Type", "application/json");
            headers.forEach(request::setHeader);
            signer.sign(method, target, headers, body).forEach(request::header);
            var answer = http.send(request.build(), BodyHandlers.ofByteArray());
            if (answer.statusCode() >= 400) throw new Problem(answer.statusCode(), text(answer));
            return answer;
        }
    }

    static void wholeWay(Map<String, String> env) throws Exception {
        var ca = env.get("LGSP_CA");
        var lgsp = Client.open(env.get("LGSP_URL"), env.get("LGSP_KEY"), Path.of(env.get("LGSP_SECRET_FILE")),
            ca == null || ca.isEmpty() ? null : Path.of(ca));
        var inbox = text(lgsp.call("GET", "/v1/inbox?limit=10", Map.of(), null));
        System.out.println("waiting: " + (inbox.split("\"packet\":", -1).length - 1));

        // A small packet is one multipart form. It is made whole first, as its digest is signed.
        var content = "Nội dung công văn số 12\n".getBytes(StandardCharsets.UTF_8);
        var boundary = "lgsp-" + UUID.randomUUID();
        var form = new ByteArrayOutputStream();
        form.writeBytes("""
            --%s
            Content-Disposition: form-data; name="request"
            Content-Type: application/json

            {"targets":["%s"],"title":"Công văn số 12","media_type":"text/plain"}
            --%1$s
            Content-Disposition: form-data; name="content"; filename="Công văn số 12.txt"
            Content-Type: text/plain

            """.formatted(boundary, env.get("LGSP_UNIT")).replace("\n", "\r\n").getBytes(StandardCharsets.UTF_8));
        form.writeBytes(content);
        form.writeBytes(("\r\n--" + boundary + "--\r\n").getBytes(StandardCharsets.UTF_8));
        var headers = Map.of("Content-Type", "multipart/form-data; boundary=" + boundary,
            "Idempotency-Key", UUID.randomUUID().toString());
        var packet = member(text(lgsp.call("POST", "/v1/packets", headers, form.toByteArray())), "packet");
        System.out.println("sent: " + packet);

        // The target takes it: accept and fetch in one request, compare the digest, keep the file, then confirm.
        var path = "/v1/packets/" + packet;
        var fetched = lgsp.call("POST", path + "/accept", Map.of("Accept", "application/octet-stream"), null);
        var digest = sha256(fetched.body());
        var told = fetched.headers().firstValue("Repr-Digest").orElse("");
        if (!told.equals("sha-256=:" + Base64.getEncoder().encodeToString(digest) + ":")) {
            throw new IOException("the digest differs");
        }
        var name = fetched.headers().firstValue("Content-Disposition").orElse("").replaceFirst(".*filename\\*=UTF-8''", "");
        System.out.printf("received: %s, %d octets%n", URLDecoder.decode(name.replace("+", "%2B"), StandardCharsets.UTF_8), fetched.body().length);
        var receipt = "{\"digest\":\"" + HexFormat.of().formatHex(digest) + "\"}";
        lgsp.call("POST", path + "/confirm", Map.of(), receipt.getBytes(StandardCharsets.UTF_8));
        System.out.println(member(text(lgsp.call("GET", path, Map.of(), null)), "state"));
    }

    static void selfTest() throws GeneralSecurityException {
        var signer = new Signer("AKAAAAAAAAAAAAAAAAAAAA", "uFzR4bQ1m8w3yV7tK0nXjL2cHsD9aGpE5iOeJxTqZrY");
        var signature = signer.sign("GET", URI.create("https://LGSP.example.vn:443/v1/units?q=a"), Map.of(), null,
            1795334851, "0123456789abcdef0123456789abcdef").get("Signature");
        if (!signature.equals("lgsp=:uXFqoqvtXYyI31nFbTVnWlRni21OOXUmw3IgZkeaMfg=:")) {
            throw new IllegalStateException("made " + signature);
        }
        System.out.println("the worked example is right");
    }

    /** The first string of that name in a JSON text. The JDK reads no JSON; in a program use the library you have. */
    static String member(String json, String name) {
        var found = Pattern.compile('"' + name + "\":\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(json);
        return found.find() ? found.group(1) : "";
    }

    static String text(HttpResponse<byte[]> answer) {
        return new String(answer.body(), StandardCharsets.UTF_8);
    }

    static byte[] sha256(byte[] octets) throws GeneralSecurityException {
        return MessageDigest.getInstance("SHA-256").digest(octets);
    }

    public static void main(String[] args) throws Exception {
        try {
            if (args.length > 0 && args[0].equals("--self-test")) selfTest(); else wholeWay(System.getenv());
        } catch (IOException | GeneralSecurityException | RuntimeException problem) {
            System.err.println(problem.getMessage() == null ? problem : problem.getMessage());
            System.exit(1);
        }
    }
}
