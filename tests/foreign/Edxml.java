import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** Reads what `lgsp edxml build` wrote with Java's own XML, base64 and ZIP, as the national SDK does: `Edxml DOCUMENT FILE…`. */
public class Edxml {
    static final String NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016";
    static boolean failed;

    static void say(boolean good, String what) {
        failed |= !good;
        System.out.println((good ? "ok   Java: " : "FAIL Java: ") + what);
    }

    static String text(Element in, String name) {
        NodeList found = in.getElementsByTagNameNS(NAMESPACE, name);
        return found.getLength() == 0 ? null : found.item(0).getTextContent();
    }

    public static void main(String[] arguments) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document = factory.newDocumentBuilder().parse(new File(arguments[0]));
        Element root = document.getDocumentElement();
        say("edXML".equals(root.getLocalName()) && NAMESPACE.equals(root.getNamespaceURI()), "the root is edXML in its namespace");
        say("V/v kết nối <LGSP> & «liên thông»".equals(text(root, "Subject")), "the subject");
        NodeList attachments = root.getElementsByTagNameNS(NAMESPACE, "Attachment");
        say(attachments.getLength() == arguments.length - 1, "all attachments");
        for (int i = 0; i < attachments.getLength(); i++) {
            Element attachment = (Element) attachments.item(i);
            // The strict decoder: it takes no line break.
            byte[] octets = Base64.getDecoder().decode(text(attachment, "ContentTransferEncoded"));
            if ("application/zip".equals(text(attachment, "ContentType"))) {
                try (ZipInputStream zip = new ZipInputStream(new java.io.ByteArrayInputStream(octets))) {
                    ZipEntry entry = zip.getNextEntry();
                    say(entry != null, "an archive with a file");
                    octets = zip.readAllBytes();
                }
            }
            byte[] wanted = Files.readAllBytes(Path.of(arguments[i + 1]));
            say(Arrays.equals(octets, wanted), "attachment " + (i + 1) + " octet for octet");
        }
        System.exit(failed ? 1 : 0);
    }
}
