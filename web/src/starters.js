// What a newcomer finds in the tabs of the first visit: a way from nothing to a live feed. Each runs as it stands.

const PEOPLE = `# 1. Who is here, and what they published last.
#    No token is needed to read. Run it with the button,
#    or with Ctrl-Enter (Cmd-Enter on a Mac).
query People {
  profiles(first: 10) {
    totalCount
    edges {
      node {
        userId
        username
        displayName
        stats { tracksCount followersCount }
        tracks(first: 3) {
          edges { node { title duration url } }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const REGISTER = `# 2. Make an account. The token in the answer goes into
#    the box above by itself, and is sent from then on.
#    It is good for 15 minutes: then run Login.
mutation Register($new: RegisterInput!) {
  register(input: $new) {
    session {
      accessToken
      expiresAt
      user { userId username role }
    }
    userErrors { code field message }
  }
}

mutation Login($known: LoginInput!) {
  login(input: $known) {
    session { accessToken expiresAt }
    userErrors { code field message }
  }
}
`;

const FEED = `# 3. Follow someone: put a userId of the first tab into
#    the variables. Then read the feed.
mutation Follow($userId: ID!) {
  follow(userId: $userId) {
    follow { state createdAt }
    userErrors { code field message }
  }
}

query Feed($after: String) {
  feed(first: 20, after: $after) {
    edges {
      node {
        action
        createdAt
        actor { username }
        ... on TrackPublished {
          track { title url }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const LIVE = `# 4. Listen to the feed: each event appears as it happens,
#    until the button stops it. Someone whom you follow has
#    to publish something meanwhile.
subscription FeedActivity {
  feedActivity {
    action
    createdAt
    actor { username }
    ... on TrackPublished {
      track { title url }
    }
  }
}
`;

const UPLOAD = `# 5. Choose a file above: an MP3, OGG, M4A, FLAC or WAV.
#    It takes the place of $file, a second one of $cover.
mutation UploadTrack(
  $file: Upload!
  $cover: Upload
  $title: String
) {
  uploadTrack(file: $file, cover: $cover, title: $title) {
    track { fileId title duration url coverUrl }
    userErrors { code field message }
  }
}

# What came of it:
query MyTracks {
  me {
    username
    profile {
      tracks(first: 10) {
        totalCount
        edges { node { fileId title playCount url } }
      }
    }
  }
}
`;

const json = (value) => JSON.stringify(value, null, 2);
const name = `guest-${Math.random().toString(36).slice(2, 8)}`;
const account = { email: `${name}@example.com`, password: 'a long password' };

// The first tab has no variables: GraphiQL takes those of the first tab from elsewhere.
export const STARTERS = [
  { query: PEOPLE },
  { query: REGISTER, variables: json({ new: { ...account, username: name, role: 'musician' }, known: account }) },
  { query: FEED, variables: json({ userId: '', after: null }) },
  { query: LIVE },
  { query: UPLOAD, variables: json({ file: null, cover: null, title: 'My song' }) },
];
