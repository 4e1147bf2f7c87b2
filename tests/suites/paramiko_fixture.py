

# Appended to paramiko's conftest.py by landfall's tests/suites: the server is a program.
import socket
import subprocess


@pytest.fixture
def sftp():
    here, there = socket.socketpair()
    server = subprocess.Popen([os.environ["SFTP_SERVER"]], stdin=there, stdout=there)
    there.close()
    # What paramiko asks of a channel, and a socket does not have.
    client = SFTP(here)
    client.FOLDER = make_sftp_folder()
    yield client
    here.close()
    server.wait(timeout=10)
    shutil.rmtree(client.FOLDER, ignore_errors=True)
