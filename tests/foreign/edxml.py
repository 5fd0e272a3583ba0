"""Reads what `lgsp edxml build` and `status` wrote with lxml, and compares it with what they were asked for.

    edxml.py DOCUMENT STATUS PDF TEXT     the files, and the two that were attached
"""

import base64
import io
import os
import sys
import zipfile

from lxml import etree

NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
HEADER = "edXMLEnvelope/edXMLHeader/MessageHeader"
failed = False


def say(good, what):
    global failed
    failed |= not good
    print(f"{'ok  ' if good else 'FAIL'} lxml: {what}")


def steps(path):
    return "/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/"))


def text(tree, path):
    found = tree.find(steps(path))
    return None if found is None else found.text


def read(path):
    # Strict: no recovery, no entities, no network; a large text, for an attachment is one.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, recover=False)
    return etree.parse(path, parser).getroot()


document, status, *files = sys.argv[1:]
tree = read(document)
say(tree.tag == f"{{{NAMESPACE}}}edXML", "the root is edXML in its namespace")
say({element.nsmap.get(element.prefix) for element in tree.iter()} == {NAMESPACE}, "every element is in the one namespace")
wanted = {
    "From/OrganId": "H41.08",
    "From/OrganName": "Sở Khoa học và Công nghệ",
    "Code/CodeNumber": "1542",
    "Code/CodeNotation": "SKHCN-CĐS",
    "Subject": "V/v kết nối <LGSP> & «liên thông»",
}
for path, value in wanted.items():
    say(text(tree, f"{HEADER}/{path}") == value, path)
targets = [one.text for one in tree.findall(steps(f"{HEADER}/To/OrganId"))]
say(targets == ["H41.101", "H41.230"], "the targets in their order")
references = [one.text for one in tree.findall(steps("edXMLEnvelope/edXMLBody/edXMLManifest/Reference/ContentId"))]
attachments = tree.findall(steps("AttachmentEncoded/Attachment"))
say([text(one, "ContentId") for one in attachments] == references and len(references) == 2, "each attachment is in the manifest")
for attachment, path in zip(attachments, files, strict=True):
    octets = base64.b64decode(text(attachment, "ContentTransferEncoded"), validate=True)
    if text(attachment, "ContentType") == "application/zip":
        archive = zipfile.ZipFile(io.BytesIO(octets))
        say(archive.testzip() is None and len(archive.namelist()) == 1, f"{os.path.basename(path)} is an archive with one file")
        octets = archive.read(archive.namelist()[0])
    with open(path, "rb") as file:
        say(octets == file.read(), f"{os.path.basename(path)} is there octet for octet")

answer = read(status)
say(text(answer, f"{HEADER}/StatusCode") == "03", "the status is 03")
say(text(answer, f"{HEADER}/ResponseFor/OrganId") == "H41.08", "the status answers the source")
say(text(answer, f"{HEADER}/ResponseFor/Code") == "1542/SKHCN-CĐS", "the status names the document")
say(answer.find(steps("AttachmentEncoded")) is None, "the status has no attachments")
sys.exit(failed)
