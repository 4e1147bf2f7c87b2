

# Appended to paramiko's conftest.py by landfall's tests/suites: behind the subsystem is a program
# instead of paramiko's own server.
import subprocess
from paramiko import SubsystemHandler


class SFTPServer(SubsystemHandler):
    def __init__(self, channel, name, server, _own_server):
        super().__init__(channel, name, server)

    def start_subsystem(self, name, transport, channel):
        pipe = subprocess.PIPE
        program = subprocess.Popen([os.environ["SFTP_SERVER"]], stdin=pipe, stdout=pipe)

        def answer():
            while answers := program.stdout.read1(65536):
                channel.sendall(answers)

        threading.Thread(target=answer, daemon=True).start()
        while asked := channel.recv(65536):
            program.stdin.write(asked)
            program.stdin.flush()
        program.stdin.close()
        program.wait()
