"""Certificates for a lesson: an authority, and what it signs. Nothing here is for real use.

A file made here has the private key, the certificate and, for a server, nothing else: in PEM, as
Kafka, RabbitMQ and Python read it.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority. `file` has its certificate, which clients are to trust."""

    def __init__(self, folder, name):
        self.folder, self.name = Path(folder), name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = self.folder / f"{name}.pem"
        ca = x509.BasicConstraints(ca=True, path_length=0)
        signed = self._builder(name, self.key, days=365).add_extension(ca, critical=True)
        self.certificate = signed.sign(self.key, hashes.SHA256())
        self.file.write_bytes(_pem(self.certificate))

    def issue(self, file, host, days=30):
        """Sign a certificate for this host, valid for so many days, and return the file's path.

        A negative number of days: it has expired so many days ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            name = x509.IPAddress(ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        names = x509.SubjectAlternativeName([name])
        signed = self._builder(host, key, days).add_extension(names, critical=False)
        path = self.folder / f"{file}.pem"
        path.touch(mode=0o600)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + _pem(signed.sign(self.key, hashes.SHA256())))
        return str(path)

    def _builder(self, subject, key, days):
        end = datetime.now(UTC) + timedelta(days=days)
        names = [
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (subject, self.name)
        ]
        builder = x509.CertificateBuilder(*reversed(names), key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(end - timedelta(days=365)).not_valid_after(end)


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)
